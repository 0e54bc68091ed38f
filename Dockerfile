# One image for the three daemons; docker-compose.yml says which of them a container runs.
FROM node:26-slim
WORKDIR /app
COPY package.json package-lock.json ./
# Without the optional packages: they bring Node to machines that have an older one, and here it is.
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund
COPY shared shared
COPY services services
COPY examples examples
RUN mkdir /var/lib/bursar && chown node:node /var/lib/bursar
USER node
VOLUME /var/lib/bursar
ENTRYPOINT ["node"]
CMD ["services/cli/main.ts", "--help"]
