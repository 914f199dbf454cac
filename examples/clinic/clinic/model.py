"""A language model's opinion on the findings, where a key is set: OpenAI's chat interface, or one like it."""

import json
import os
import urllib.request

from clinic.findings import Finding

URL = "https://api.openai.com/v1/chat/completions"
NAME = "gpt-4o-mini"
TIMEOUT = 60.0  # seconds
MOST = 50  # findings that are sent


def opinion(patient: str, findings: list[Finding]) -> str:
    """Return what a model says is to be done first; only findings are sent, never sources."""
    listed = "\n".join(f"{one.grade} {one.kind} {one.file}:{one.line} {one.text}" for one in findings[:MOST])
    asked = {
        "model": os.environ.get("MODEL_NAME", NAME),
        "temperature": 0,
        "messages": [
            {"role": "system", "content": "You are a careful reviewer. Answer in three short sentences."},
            {"role": "user", "content": f"Findings in {patient}:\n{listed or 'none'}\nWhat should be done first?"},
        ],
    }
    request = urllib.request.Request(
        os.environ.get("MODEL_URL", URL),
        data=json.dumps(asked).encode(),
        headers={"content-type": "application/json", "authorization": f"Bearer {os.environ['MODEL_KEY']}"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"]).strip()
