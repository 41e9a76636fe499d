# Cairn in a container. A log:
#   docker build -t cairn . && docker run -p 6962:6962 -v cairn:/var/lib/cairn cairn
# A witness:
#   docker build --target witness -t cairn-witness . && docker run -p 7962:7962 -v cairn-witness:/var/lib/cairn cairn-witness
FROM node:24-slim AS build
WORKDIR /opt/cairn
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY .ci/after-build.mjs .ci/verifier-page.mjs .ci/build-browser.mjs .ci/build-typebox.mjs .ci/
COPY src src
RUN npm run build
RUN npm prune --omit=dev

FROM node:24-slim AS command
ENV NODE_ENV=production
WORKDIR /opt/cairn
COPY package.json README.md LICENSE CHANGELOG.md ./
COPY spec spec
COPY --from=build /opt/cairn/node_modules node_modules
COPY --from=build /opt/cairn/dist dist
# For docker exec: cairn witness list, cairn key show.
RUN mkdir -p /usr/local/bin && ln -s /opt/cairn/dist/cli/main.js /usr/local/bin/cairn
# The data and, beside it, what a log's signer remembers (/var/lib/cairn/log.signer): both belong to the same volume.
RUN mkdir -p /var/lib/cairn && chown node:node /var/lib/cairn && chmod 700 /var/lib/cairn
USER node
VOLUME /var/lib/cairn
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/cairn/dist/cli/main.js"]

FROM command AS witness
EXPOSE 7962
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7962/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENV CAIRN_DATA=/var/lib/cairn/witness
CMD ["witness", "--host", "0.0.0.0"]

# The last one is what is built when no other is asked for.
FROM command AS log
EXPOSE 6962
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:6962/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["serve", "--data", "/var/lib/cairn/log", "--host", "0.0.0.0"]
