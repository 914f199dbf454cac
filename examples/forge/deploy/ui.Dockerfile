FROM python:3.11-slim AS build
ARG VITE_API_BASE=/api
WORKDIR /ui
COPY . .
RUN python build.py . dist

FROM scratch
COPY --from=build /ui/dist /dist
