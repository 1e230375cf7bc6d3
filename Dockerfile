# The program alone, as a user without rights. Pipeline files and file checkpoints go to /pipelines:
#   docker run --rm -v "$PWD:/pipelines" -e SOURCE_URL -e TARGET_URL pgsluice run shop.yaml
FROM node:24-slim AS build
WORKDIR /src
COPY . .
RUN npm ci && npm pack --pack-destination /tmp

FROM node:24-slim
COPY --from=build /tmp/pgsluice-*.tgz /tmp/
RUN npm install --global --omit=dev --omit=optional /tmp/pgsluice-*.tgz && rm -rf /tmp/*.tgz && npm cache clean --force \
 && mkdir /pipelines && chown node:node /pipelines
USER node
WORKDIR /pipelines
ENTRYPOINT ["pgsluice"]
CMD ["--help"]
