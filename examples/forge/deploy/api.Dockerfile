FROM python:3.11-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY forge forge
RUN useradd --uid 10001 --no-create-home forge
USER 10001
CMD ["uvicorn", "forge.main:app", "--no-access-log", "--timeout-graceful-shutdown", "5"]
