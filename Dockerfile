# Cairn in a container: docker build -t cairn . && docker run -p 6962:6962 -v cairn:/var/lib/cairn cairn
FROM node:24-slim AS build
WORKDIR /opt/cairn
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY .ci/after-build.mjs .ci/
COPY src src
RUN npm run build
RUN npm prune --omit=dev

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /opt/cairn
COPY package.json README.md LICENSE CHANGELOG.md ./
COPY spec spec
COPY --from=build /opt/cairn/node_modules node_modules
COPY --from=build /opt/cairn/dist dist
# The data and, beside it, what the signer remembers (/var/lib/cairn/log.signer): both belong to the same volume.
RUN mkdir -p /var/lib/cairn && chown node:node /var/lib/cairn && chmod 700 /var/lib/cairn
USER node
VOLUME /var/lib/cairn
EXPOSE 6962
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:6962/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/cairn/dist/cli/main.js"]
CMD ["serve", "--data", "/var/lib/cairn/log", "--host", "0.0.0.0"]
