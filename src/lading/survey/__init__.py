"""Reads a repository and says what it is; drafts its manifest. Read-only, bounded, and none of its code is run."""

from lading.survey.draft import Draft, draft
from lading.survey.imaging import image_files
from lading.survey.nextsteps import next_steps
from lading.survey.report import findings
from lading.survey.survey import survey
from lading.survey.values import Survey

__all__ = ["Draft", "Survey", "draft", "findings", "image_files", "next_steps", "survey"]
