"""A RabbitMQ plugin for the Python Slack MCP Server, written after its guide, with aio-pika.

The guide's conventions: a durable topic exchange, a durable queue without arguments named <exchange>_<group> and bound
with "#", JSON bodies, acknowledged after the handler.

    rabbitmq_plugin.py URL publish EXCHANGE KEY           payloads from the standard input, one a line
    rabbitmq_plugin.py URL consume EXCHANGE GROUP COUNT   prints each payload, ends after COUNT
    rabbitmq_plugin.py URL declare EXCHANGE GROUP [KEY]   the exchange and the queue, and no more
"""
import asyncio
import json
import logging
import sys
import time

import aio_pika


async def topology(channel, exchange, group, key="#"):
    topic = await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
    name = f"{exchange}_{group or 'default'}"
    try:
        queue = await channel.declare_queue(name, durable=True)
    except aio_pika.exceptions.ChannelPreconditionFailed:
        # Somebody else declared it with arguments of their own: taken as it is.
        channel = await channel.connection_for_retry()
        topic = await channel.get_exchange(exchange)
        queue = await channel.get_queue(name)
    await queue.bind(topic, key)
    return queue


async def main():
    url, command, exchange, *rest = sys.argv[1:]
    connection = await aio_pika.connect(url)
    channel = await connection.channel()

    async def another():
        return await connection.channel()

    channel.connection_for_retry = another
    if command == "publish":
        topic = await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        for line in sys.stdin:
            message = aio_pika.Message(
                json.dumps(json.loads(line)).encode(),
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                content_type="application/json",
                timestamp=int(time.time()),
            )
            await topic.publish(message, routing_key=rest[0])
    elif command == "declare":
        await topology(channel, exchange, *rest)
    elif command == "consume":
        group, count = rest[0], int(rest[1])
        await channel.set_qos(prefetch_count=10)
        queue = await topology(channel, exchange, group)
        async with queue.iterator() as messages:
            async for message in messages:
                payload = json.loads(message.body)
                print(json.dumps({"key": message.routing_key, "payload": payload, "id": message.message_id}), flush=True)
                await message.ack()
                count -= 1
                if count == 0:
                    break
    await connection.close()


logging.disable(logging.CRITICAL)
asyncio.run(main())
