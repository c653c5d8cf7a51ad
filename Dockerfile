# The auth server. Build: docker build -t latchkey .   Run it with docker-compose.yml.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/latchkey/package.json packages/latchkey/
COPY apps/server/package.json apps/server/
COPY tests/package.json tests/
RUN npm ci --ignore-scripts
COPY tsconfig.base.json tsconfig.json server.js ./
COPY packages packages
COPY apps apps
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
WORKDIR /app
# Says production on purpose: a container that was not told AUTH_PROFILE=demo must not become a demo.
ENV NODE_ENV=production
COPY --from=build /app ./
USER node
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "server.js"]
