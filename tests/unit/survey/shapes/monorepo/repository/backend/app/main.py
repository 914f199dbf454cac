from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])


@app.get("/api/items")
def items():
    return []


@app.get("/api/health")
def health():
    return {"status": "ok"}
