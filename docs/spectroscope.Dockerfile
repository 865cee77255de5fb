# The program for a cluster: docker build -f docs/spectroscope.Dockerfile -t spectroscope .
FROM node:22-bookworm-slim AS build
WORKDIR /program
ENV ELECTRON_SKIP_BINARY_DOWNLOAD=1
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim
COPY --from=build /program/package.json /program/
COPY --from=build /program/out /program/out
COPY --from=build /program/resources /program/resources
COPY --from=build /program/node_modules /program/node_modules
RUN chmod +x /program/out/main/cli.js && ln -s /program/out/main/cli.js /usr/local/bin/spectroscope
CMD ["spectroscope", "--help"]
