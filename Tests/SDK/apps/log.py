"""What the apps of the tests note, in order, in one file: which steps ran, and what each call knew."""

import json
import os
import threading

_path = os.environ["APP_LOG"]
_lock = threading.Lock()


def note(**facts: object) -> None:
    with _lock, open(_path, "a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")


def note_call(method: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> None:
    """Notes a request of the server to the app."""
    facts: dict[str, object] = {"kind": "call", "method": method, "fn": query.get("fnId"), "target": query.get("stepId")}
    facts["headers"] = {name.lower(): value for name, value in headers.items()}
    if method == "POST" and body:
        request = json.loads(body)
        facts["run"] = request["ctx"].get("run_id")
        facts["attempt"] = request["ctx"].get("attempt")
        facts["steps"] = list(request["steps"])
        facts["useAPI"] = request["use_api"]
        facts["canonical"] = body.decode("utf-8") == json.dumps(
            request, separators=(",", ":"), sort_keys=True, ensure_ascii=False
        )
    note(**facts)
