FROM node:22-slim AS build
WORKDIR /ui
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
# Asked for this late, another address builds the page anew and fetches nothing.
ARG VITE_API_BASE=/api
RUN npm test && npm run build

FROM scratch
COPY --from=build /ui/dist /dist
