# The server on Bun. From the root of this repository:
#   docker build -f examples/deploy/bun.Dockerfile -t slack-queue .
# In a project of your own: copy package.json, bun.lock and handlers.ts in place of the sources below, `bun install
# --frozen-lockfile` in place of `bun add`, and run node_modules/@slack-mcp/queue/cli/mod.ts.
FROM oven/bun:1.4.5-slim

WORKDIR /app
COPY tsconfig.json mod.ts driver.ts env.ts ./
COPY core/ core/
COPY backends/ backends/
COPY slack/ slack/
COPY cli/ cli/
COPY examples/server/handlers.ts handlers.ts

# The clients of the backends that have one, as deno.lock pins them. Leave out what you do not use.
RUN bun add --exact ioredis@6.0.0 @upstash/redis@1.39.0 amqplib@2.3.1

# The queue's file, where the backend is sqlite. Mount a volume there: what is only in the container goes with it.
RUN mkdir /data && chown bun:bun /data
USER bun
ENV QUEUE_BACKEND=sqlite SQLITE_PATH=/data/queue.db PORT=3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["bun", "-e", "process.exit((await fetch('http://localhost:3000/health')).ok ? 0 : 1)"]

# The process itself gets SIGTERM: no shell stands in between.
ENTRYPOINT ["bun", "cli/mod.ts"]
CMD ["serve", "--handlers", "./handlers.ts"]
