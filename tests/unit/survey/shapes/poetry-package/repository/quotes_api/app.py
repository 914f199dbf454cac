from litestar import Litestar, get


@get("/")
async def quote() -> dict[str, str]:
    return {"quote": "So it goes."}


@get("/health")
async def health() -> dict[str, str]:
    return {"status": "up"}


app = Litestar([quote, health])
