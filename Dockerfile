# The program alone, as a user without rights. Pipeline files and file checkpoints go to /pipelines:
#   docker run --rm -v "$PWD:/pipelines" -e SOURCE_URL -e TARGET_URL pgsluice run shop.yaml
FROM node:24-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
# Without the servers of the tests, and without the packages' own scripts: what they fetch is for a checkout.
RUN npm ci --workspaces=false --ignore-scripts
COPY . .
RUN npm pack --pack-destination /tmp \
 && npm install --global --prefix /opt/pgsluice --omit=dev --omit=optional /tmp/pgsluice-*.tgz

FROM node:24-slim
COPY --from=build /opt/pgsluice /opt/pgsluice
ENV PATH=/opt/pgsluice/bin:$PATH
RUN install -d -o 1000 -g 1000 /pipelines
# By number, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 1000:1000
WORKDIR /pipelines
EXPOSE 8377
# Asks what `http: 0.0.0.0:8377` of the pipeline file opens. A file without `http` wants --no-healthcheck.
ENV PGSLUICE_HEALTH=http://127.0.0.1:8377/healthz
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch(process.env.PGSLUICE_HEALTH).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["pgsluice"]
CMD ["--help"]
