from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PARCELS_", env_file=".env")

    api_prefix: str = "/api/v1"
    carrier_url: str
    carrier_login: SecretStr
    jwt_key: str = Field(alias="JWT_KEY")
    log_level: str = "INFO"
    debug: bool = False


settings = Settings()
