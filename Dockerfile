FROM node:20-bookworm-slim AS build
WORKDIR /torc
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json rollup.config.js ./
COPY ring ring
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
WORKDIR /torc
COPY --from=build /torc/package.json ./
COPY --from=build /torc/node_modules node_modules
COPY --from=build /torc/dist dist
# A new named volume takes its owner from here, so that the node may write to it.
RUN install -d -o node -g node /data
USER node
VOLUME /data
ENV NODE_ENV=production TORC_DATA=/data
# Clients, cluster clients (redirect), admin, peers.
EXPOSE 6379 7379 8379 16379
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.TORC_ADMIN_PORT || 8379) + '/livez').then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/torc.js"]
CMD ["start"]
