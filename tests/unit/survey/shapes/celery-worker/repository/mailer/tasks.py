import os

from celery import Celery

celery = Celery("mailer", broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"))
celery.conf.beat_schedule = {"digest": {"task": "mailer.tasks.send", "schedule": 3600.0}}


@celery.task
def send():
    return os.environ["SMTP_PASSWORD"]
