# The server on Deno. From the root of this repository:
#   docker build -f examples/deploy/deno.Dockerfile -t slack-queue .
# In a project of your own: copy deno.json, deno.lock and handlers.ts in place of the sources below, and run
# jsr:@slack-mcp/queue@0.1/cli in place of cli/mod.ts.
FROM denoland/deno:2.9.6

WORKDIR /app
COPY deno.json deno.lock mod.ts driver.ts env.ts ./
COPY core/ core/
COPY backends/ backends/
COPY slack/ slack/
COPY cli/ cli/
COPY examples/server/handlers.ts handlers.ts

# Downloads and compiles here, so that a start needs no network.
RUN deno cache --frozen --node-modules-dir=none cli/mod.ts cli/commands/*.ts backends/*/mod.ts handlers.ts

# The queue's file, where the backend is sqlite. Mount a volume there: what is only in the container goes with it.
RUN mkdir /data && chown deno:deno /data
USER deno
ENV QUEUE_BACKEND=sqlite SQLITE_PATH=/data/queue.db PORT=3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["deno", "eval", "Deno.exit((await fetch('http://localhost:3000/health')).ok ? 0 : 1)"]

# The process itself gets SIGTERM: no shell stands in between.
ENTRYPOINT ["deno", "run", "-A", "--cached-only", "--frozen", "--node-modules-dir=none", "cli/mod.ts"]
CMD ["serve", "--handlers", "./handlers.ts"]
