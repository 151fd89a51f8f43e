"""A server for the tests of the page: the page's files under its policy, and made-up answers in the shapes of PALM."""

import base64
import json
import mimetypes
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import palm

PAGE = Path(palm.__file__).parent / "inference" / "serving" / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
NO_TOKEN = {"error": {"status": 401, "rule": "requests carry the token of the server.", "found": "Found none."}}
Json = dict[str, object]
Row = Mapping[str, object]
INTENTS = {"book_restaurant": 0.931, "book_train": 0.041, "weather": 0.016, "review": 0.0085, "alarm": 0.0031,
           "chat": 0.0004}  # fmt: skip
NAMES = {"Ada Lovelace": "person", "London": "city", "Vienna": "city", "Rome": "city", "Siemens": "company",
         "北京": "city", "上海": "city", "浙江大学": "school", "杭州": "city", "阿里巴巴": "company"}  # fmt: skip
TIMES = {"tomorrow at eight": "time", "On Monday": "time", "Monday": "time", "by nine": "time", "明天晚上八点": "time",
         "周二": "time", "九点": "time"}  # fmt: skip


@dataclass(frozen=True)
class FakeTask:
    """A task, and its prediction for a row."""

    paradigm: str
    kind: str
    predict: Callable[[Row], Json]
    columns: tuple[str, ...] = ("text_a",)
    labels: tuple[str, ...] = ()
    metrics: Json = field(default_factory=dict)

    @property
    def info(self) -> Json:
        """The task in /info."""
        told = {
            "paradigm": self.paradigm,
            "kind": self.kind,
            "columns": list(self.columns),
            "labels": list(self.labels),
        }
        return {**told, "metrics": self.metrics}


def text_of(row: Row) -> str:
    return str(row["text_a"])


def intent(_: Row) -> Json:
    return {"index": 0, "label": "book_restaurant", "probs": INTENTS, "logits": [1.0]}


def topics(_: Row) -> Json:
    probs = {"travel": 0.88, "food": 0.73, "technology": 0.12, "sport": 0.02}
    return {"index": 0, "labels": ["travel", "food"], "probs": probs, "logits": []}


def entities(row: Row) -> Json:
    """Spans by code points, as after training on spans of characters."""
    text, spans = text_of(row), []
    for name, kind in {**NAMES, **TIMES}.items():
        at = text.find(name)
        if at >= 0 and not any(span["start_char"] <= at < span["end_char"] for span in spans):
            spans.append(
                {"type": kind, "start": 0, "end": 1, "text": name, "start_char": at, "end_char": at + len(name)}
            )
    spans.sort(key=lambda span: span["start_char"])
    return {"index": 0, "words": list(text), "labels": ["O"] * len(text), "spans": spans}


def nested(row: Row) -> Json:
    """Spans within each other with relations, by code points and without words, as the paradigm `spans` answers."""
    text = text_of(row)
    parts = [("Ada Lovelace", "person"), ("flew from London to Vienna", "journey"), ("Vienna", "city")]
    parts += [("浙江大学的研究人员", "person"), ("浙江大学", "school"), ("浙江", "city")]
    places = [(text.find(part), part, kind) for part, kind in parts if part in text]
    spans = [
        {"type": kind, "start": at, "end": at + len(part), "text": part, "score": 0.9} for at, part, kind in places
    ]
    relations = [{"type": "went", "head": 0, "tail": 1, "score": 0.8}, {"type": "in", "head": 1, "tail": 2}]
    return {"index": 0, "spans": spans, "relations": relations if len(spans) > 2 else []}


def tree(row: Row) -> Json:
    """Each word depends on the next but one, or else on the one before; the first is the root."""
    text = text_of(row)
    words = text.split() if " " in text else list(text)
    heads = [0, *(at + 3 if at % 2 and at + 2 < len(words) else at for at in range(1, len(words)))]
    relations = ["root", *("nsubj" if at % 2 else "compound:prt" for at in range(1, len(words)))]
    return {"index": 0, "words": words, "heads": heads, "relations": relations}


def slots(row: Row) -> Json:
    """Spans by words."""
    words = text_of(row).split()
    spans = [
        {"type": "capital", "start": at, "end": at + 1, "text": word} for at, word in enumerate(words) if word.istitle()
    ]
    labels = ["B-capital" if word.istitle() else "O" for word in words]
    return {"index": 0, "words": words, "labels": labels, "spans": spans}


def parts_of_speech(row: Row) -> Json:
    words = text_of(row).split()
    return {"index": 0, "words": words, "labels": ["NOUN", "VERB", "DET"] * len(words), "spans": []}


def answer(row: Row) -> Json:
    context = str(row["context"])
    found = next((name for name in ("Siemens", "Rome", "阿里巴巴", "上海", "nine") if name in context), context[:6])
    others = [name for name in ("Vienna", "London", "Analytical Engine", "杭州", "北京") if name in context]
    texts = [found, *others][:4]
    nbest = [
        {**placed(text, context.find(text)), "probability": share, "start_logit": 5.0, "end_logit": 4.0}
        for text, share in zip(texts, (0.87, 0.08, 0.03, 0.01), strict=False)
    ]
    return {"id": "0", **placed(found, context.find(found)), "probability": 0.87, "nbest": nbest, "null_odds": None}


def placed(text: str, start: int) -> Json:
    """An answer with its characters in the passage."""
    return {"text": text, "start": start, "end": start + len(text)}


def same(_: Row) -> Json:
    return {"index": 0, "label": "entailment", "probs": {"entailment": 0.912, "neutral": 0.071, "contradiction": 0.017}}


def score(_: Row) -> Json:
    return {"index": 0, "probs": 0.8231}


def words(row: Row) -> Json:
    tokens = ["都", "席", "府"] if "首" in text_of(row) else ["capital", "heart", "##centre"]
    mask = {"position": 4, "tokens": tokens, "ids": [1, 2, 3], "probs": [0.93, 0.02, 0.0004]}
    return {"index": 0, "masks": [mask] * text_of(row).count("[MASK]")}


def stars(_: Row) -> Json:
    return {"index": 0, "value": 3.7251}


def choice(row: Row) -> Json:
    choices = list(row["choices"])
    ranking = [1, 0, *range(2, len(choices))]
    return {
        "index": 0,
        "label": "1",
        "choice": choices[1],
        "ranking": ranking,
        "probs": [0.2, 0.7, *[0.1] * (len(choices) - 2)],
    }


_TYPES = ("person", "city", "company", "time", "school")
_TAGS = ("O", *(f"{place}-{name}" for name in _TYPES for place in "BI"))
_RELATIONS = ("entailment", "neutral", "contradiction")
_PAIR = ("text_a", "text_b")
TASKS = {
    "intent": FakeTask(
        "cls", "labels", intent, labels=tuple(INTENTS), metrics={"loss": 0.2, "accuracy": 0.9314, "macro_f1": 0.9127}
    ),
    "entities": FakeTask("seq_label", "spans", entities, labels=_TAGS, metrics={"span_f1": 0.9482}),
    "answer": FakeTask("mrc", "answer", answer, ("question", "context"), metrics={"f1": 0.8123, "exact_match": 0.712}),
    "inference": FakeTask("match", "match", same, _PAIR, _RELATIONS, {"accuracy": 0.887}),
    "topics": FakeTask(
        "multi_label", "labels", topics, labels=("travel", "food", "technology", "sport"), metrics={"micro_f1": 0.79}
    ),
    "words": FakeTask("mlm", "cloze", words, metrics={"mlm_accuracy": 0.61}),
    "stars": FakeTask("regression", "value", stars, metrics={"pearson": 0.84}),
    "reply": FakeTask("choice", "choice", choice, ("text_a", "choices"), metrics={"accuracy": 0.77}),
    "slots": FakeTask("seq_label", "spans", slots, labels=("O", "B-capital", "I-capital")),
    "tags": FakeTask("seq_label", "spans", parts_of_speech, labels=("NOUN", "VERB", "DET")),
    "nested": FakeTask("spans", "spans", nested, labels=("person", "journey", "city", "school")),
    "tree": FakeTask("parse", "tree", tree, labels=("root", "nsubj", "compound:prt")),
    "relevance": FakeTask("pairwise_match", "value", score, _PAIR),
}


@dataclass
class FakeServer:
    """What the server answers, and what it was asked.

    Attributes:
        tasks: The model's tasks.
        facts: Further fields of /info.
        asked: Bodies of the requests to /predict, with the token that came along.
        refusals: Status, headers and body of the next answers of /predict; when they are used up it predicts.
        predictions: Predictions of tasks in place of those that are made up.
        token: The token that is needed, if any: for /info and /predict.
        takes_password: Whether the token is needed for the page itself, where a browser asks for it as a password.
    """

    tasks: dict[str, FakeTask] = field(default_factory=lambda: dict(TASKS))
    facts: Json = field(default_factory=dict)
    asked: list[Json] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    predictions: Json = field(default_factory=dict)
    token: str | None = None
    takes_password: bool = False
    address: str = ""

    def info(self) -> Json:
        """The answer of /info."""
        facts: Json = {"model": "travel-assistant", "version": "1.9.0", "global_step": 12000, "runtime": "palm"}
        limits = {"rows": 256, "bytes": 1_000_000, "seconds": 30, "queue": 512}
        tasks = {name: task.info for name, task in self.tasks.items()}
        return {**facts, "precision": "float32", "limits": limits, **self.facts, "tasks": tasks}

    def predict(self, body: Json) -> Json:
        """The answer of /predict."""
        names = body.get("tasks") or list(self.tasks)
        rows = [row if isinstance(row, dict) else {"text_a": row} for row in body["inputs"]]
        found = [{name: self._prediction(name, row) for name in names} for row in rows]
        return {
            "predictions": found,
            "milliseconds": 12.34,
            "model": {"name": "travel-assistant", "global_step": self.info()["global_step"]},
        }

    def _prediction(self, name: str, row: Row) -> object:
        if name in self.predictions:
            return self.predictions[name]
        missing = [column for column in self.tasks[name].columns if column not in row]
        return {"error": f"needs {missing}"} if missing else self.tasks[name].predict(row)


class _Handler(BaseHTTPRequestHandler):
    """Answers for the fake server that the HTTP server carries."""

    @property
    def fake(self) -> FakeServer:
        return self.server.fake

    def do_GET(self) -> None:
        file = PAGE / (self.path.lstrip("/") or "index.html")
        if (self.path == "/info" or self.fake.takes_password) and not self._is_allowed():
            self._json(401, NO_TOKEN)
        elif self.path == "/info":
            self._json(200, self.fake.info())
        elif file.is_file() and file.parent == PAGE:
            kind = {".js": "text/javascript"}.get(file.suffix) or mimetypes.guess_type(file.name)[0]
            self._send(200, {"Content-Type": f"{kind}; charset=utf-8"}, file.read_bytes())
        else:
            self._json(404, {"error": f"no {self.path}"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fake.asked.append({**body, "authorization": self.headers.get("Authorization")})
        if not self._is_allowed():
            self._json(401, NO_TOKEN)
        elif self.fake.refusals:
            status, headers, said = self.fake.refusals.pop(0)
            self._send(status, headers, said.encode())
        else:
            self._json(200, self.fake.predict(body))

    def _is_allowed(self) -> bool:
        password = base64.b64encode(f"user:{self.fake.token}".encode()).decode()
        allowed = [f"Bearer {self.fake.token}", *([f"Basic {password}"] if self.fake.takes_password else [])]
        return self.fake.token is None or self.headers.get("Authorization") in allowed

    def _json(self, status: int, value: object) -> None:
        self._send(status, {"Content-Type": "application/json"}, json.dumps(value, ensure_ascii=False).encode())

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        own = {"Content-Length": str(len(content)), "Content-Security-Policy": POLICY}
        if status == 401:
            own["WWW-Authenticate"] = 'Basic realm="palm"' if self.fake.takes_password else "Bearer"
        for name, value in {**headers, **own}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Tests look at what was asked, not at a log."""


@contextmanager
def running(tasks: Sequence[str] | None = None) -> Iterator[FakeServer]:
    """A server with some of the tasks, at its `address`."""
    server = FakeServer() if tasks is None else FakeServer({name: TASKS[name] for name in tasks})
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.fake = server
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.address = f"http://127.0.0.1:{http.server_port}/"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
