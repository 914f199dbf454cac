"""The keys of what leaves the host: outputs to an object store, and backups."""

from lading.manifest import words
from lading.manifest.kinds import Duration
from lading.manifest.tables import Key, Table
from lading.model.environment_table import ObjectStore

STORE = Table(
    (
        Key(
            "store",
            words.STORE,
            "The bucket, and the prefix in it below which the project's keys begin.",
            example='"s3://acme-outputs/lading"',
            required=True,
        ),
        Key(
            "endpoint",
            words.STORE_ENDPOINT,
            "Where the store answers.",
            example='"https://fsn1.your-objectstorage.com"',
            default="AWS, in the region",
        ),
        Key("region", words.REGION, "The region, as the store calls it.", example='"eu-central-1"'),
        Key("access_key", words.SECRET_NAME, "The secret that holds the key's id.", example='"OUTPUTS_KEY_ID"'),
        Key("secret_key", words.SECRET_NAME, "The secret that holds the key itself.", example='"OUTPUTS_KEY"'),
    ),
    ObjectStore,
    should='a table such as { store = "s3://acme-outputs/lading" }',
    private=True,
    foreign={
        "url": "store",
        "to": "store",
        "bucket": 'store = "s3://BUCKET/PREFIX"',
        "prefix": 'store = "s3://BUCKET/PREFIX"',
        "endpoint_url": "endpoint",
        "access_key_id": "access_key",
        "aws_access_key_id": "access_key",
        "secret_access_key": "secret_key",
        "aws_secret_access_key": "secret_key",
    },
)

BACKUP = Table(
    (
        Key("every", Duration(least=60), "How often.", example='"1h"'),
        Key("keep", Duration(least=3600, most=10 * 366 * 86400), "For how long.", example='"30d"'),
        Key("to", words.FILLED, "The store they are sent to.", example='"s3:backups/cashback"'),
    ),
    dict,
    should='a table such as { every = "1h", keep = "30d" }',
)
