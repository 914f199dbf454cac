import os

from sqlalchemy import create_engine

DATABASE_URL = os.getenv("DATABASE_URL", "sqlite:///./notes.db")
engine = create_engine(DATABASE_URL)
