"""`palm serve` in a process of its own: what it answers, in each of its shapes, and what it refuses."""

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import palm
from palm.inference.prediction_files import json_line
from palm.paradigm.base import PARADIGMS
from tests.english_words import english_words
from tests.integration.served_tasks import CHOICES, ENGLISH, ROWS, STEPS, train_all
from tests.integration.server_process import Running, need_the_extra, refused, serving
from tests.palm_command import palm_here

need_the_extra()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a task of every paradigm."""
    return train_all(tmp_path_factory.mktemp("服务"))


@pytest.fixture(scope="module")
def server(run: Path) -> Any:
    """A server of all of them."""
    with serving(run, "--runtime", "palm") as running:  # another one differs in the last digits
        yield running


def file_of(task: str, folder: Path) -> Path:
    """The rows of a task as a file."""
    rows = [row if isinstance(row, dict) else {"text_a": row} for row in ROWS[task]]
    if task != "answers":
        file = folder / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return file
    named = [{"id": str(number), **row} for number, row in enumerate(rows)]
    paragraphs = [{"context": row["context"], "qas": [{"id": row["id"], "question": row["question"]}]} for row in named]
    file = folder / "rows.json"
    file.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    return file


def test_every_paradigm_is_served(run: Path, server: Running) -> None:
    _, info, _ = server.ask("/info")
    served = {task["paradigm"] for task in info["tasks"].values()}
    assert served == set(PARADIGMS)
    assert set(ROWS) == set(info["tasks"])
    assert info["global_step"] == STEPS


@pytest.mark.parametrize("task", ROWS)
def test_answers_are_those_of_palm_pred_to_the_last_digit(
    run: Path, server: Running, task: str, tmp_path: Path
) -> None:
    status, answer, _ = server.ask("/predict", {"inputs": ROWS[task], "tasks": [task]})
    assert status == 200
    model = palm.load(run, tasks=[task])
    lines = [json_line(prediction) for prediction in model[task].predict(file_of(task, tmp_path))]
    assert len(lines) == len(ROWS[task])
    assert [row[task] for row in answer["predictions"]] == [json.loads(line) for line in lines]


@pytest.mark.parametrize("task", ["intent", "answers"])
def test_answers_are_what_the_command_prints(run: Path, task: str, tmp_path: Path) -> None:
    words = ["pred", str(run / task), "--file", str(file_of(task, tmp_path)), "--show", "99"]
    done = palm_here(*words)
    assert done.returncode == 0, done.stderr
    with serving(run / task, "--runtime", "palm") as alone:
        _, answer, _ = alone.ask("/predict", {"inputs": ROWS[task]})
    assert [row[task] for row in answer["predictions"]] == [json.loads(line) for line in done.stdout.splitlines()]


def test_all_tasks_answer_in_one_request_and_say_what_they_cannot_read(server: Running) -> None:
    row = {"text_a": ENGLISH, "text_b": "the bird flies"}
    status, answer, _ = server.ask("/predict", {"inputs": [row, "红鱼"]})
    assert status == 200
    first, second = answer["predictions"]
    assert set(first) == set(second) == set(ROWS)
    assert first["intent"]["label"] in ("air", "water")
    assert first["pairs"]["label"] in ("0", "1")
    assert first["answers"] == {"error": "this task reads question and context. Found no question and no context."}
    assert second["pairs"] == {"error": "this task reads text_a and text_b. Found no text_b."}
    assert "[MASK]" in second["cloze"]["error"]
    assert second["intent"]["index"] == 1
    assert answer["milliseconds"] > 0
    assert answer["model"]["name"] == "out"


def test_rows_of_many_clients_keep_their_answers(server: Running) -> None:
    texts = [f"the {colour} {animal} " + "big " * number for number in range(8) for colour in ("red", "green")
             for animal in ("fish", "bird", "cat", "鱼")]  # fmt: skip
    alone = [server.ask("/predict", {"inputs": [text], "tasks": ["intent", "slots"]})[1] for text in texts]

    def ask(text: str) -> Any:
        return server.ask("/predict", {"inputs": [text], "tasks": ["intent", "slots"]})

    with ThreadPoolExecutor(64) as pool:
        together = list(pool.map(ask, texts))
    for text, one, (status, many, _) in zip(texts, alone, together, strict=True):
        assert status == 200
        found, wanted = many["predictions"][0], one["predictions"][0]
        assert found["intent"]["text_a"] == text
        assert found["slots"] == wanted["slots"]
        assert found["intent"]["label"] == wanted["intent"]["label"]
        # Sums of a larger batch may differ in their last bits.
        assert all(
            math.isclose(found["intent"]["probs"][label], p, abs_tol=1e-6)
            for label, p in wanted["intent"]["probs"].items()
        )
    _, numbers, _ = server.ask("/metrics")
    batches = next(line for line in numbers.splitlines() if line.startswith("palm_batch_requests_count"))
    requests = next(line for line in numbers.splitlines() if line.startswith("palm_batch_requests_sum"))
    assert float(requests.split()[1]) > float(batches.split()[1]), "no batch had two requests"


@pytest.mark.parametrize(
    ("task", "inputs", "keys"),
    [
        ("intent", ENGLISH, [[{"label", "score"}]]),
        ("sets", ["red fish", "红鱼"], [[{"label", "score"}], [{"label", "score"}]]),
        ("pairs", {"text": ENGLISH, "text_pair": "the bird flies"}, [[{"label", "score"}]]),
        ("wet", {"text": ENGLISH, "text_pair": "鸟飞"}, [[{"label", "score"}]]),
        ("rank", {"text": ENGLISH, "text_pair": "鸟飞"}, [[{"label", "score"}]]),
        ("picks", {"text": ENGLISH, "choices": CHOICES}, [[{"label", "score"}]]),
        ("answers", {"question": "who", "context": ENGLISH}, {"answer", "score", "start", "end"}),
        ("answers", [{"question": "who", "context": ENGLISH}], [{"answer", "score", "start", "end"}]),
        ("cloze", "the [MASK] fish", [{"score", "token", "token_str", "sequence"}]),
        ("slots", "the red fish", [{"entity_group", "score", "word", "start", "end"}]),
        ("tags", "the red fish", [{"entity_group", "word", "start", "end"}]),  # a CRF
        ("tags", ["the red fish"], [[{"entity_group", "word", "start", "end"}]]),
    ],
)
def test_one_task_answers_in_hugging_faces_shapes(server: Running, task: str, inputs: object, keys: object) -> None:
    status, answer, _ = server.ask(f"/tasks/{task}", {"inputs": inputs})
    assert status == 200
    assert shape_of(answer) == keys


def shape_of(value: Any) -> Any:
    """A nested list with the keys of its first objects in each list."""
    if isinstance(value, dict):
        return set(value)
    if value and all(isinstance(item, dict) for item in value):
        return [set(value[0])]
    return [shape_of(item) for item in value]


def test_places_in_these_shapes_are_characters_of_the_text(server: Running) -> None:
    text = "the  red fish . a blue 鱼"  # two blanks: places are not those of joined words
    _, entities, _ = server.ask("/tasks/tags", {"inputs": text})
    assert entities
    assert all(text[each["start"] : each["end"]] == each["word"] for each in entities)
    _, scored, _ = server.ask("/tasks/slots", {"inputs": text})
    assert all(text[each["start"] : each["end"]] == each["word"] for each in scored)
    assert all(0 < each["score"] <= 1 for each in scored)
    context = f"{ENGLISH} . {ENGLISH} . 红鱼"
    _, answers, _ = server.ask(
        "/tasks/answers", {"inputs": {"question": "谁", "context": context}, "parameters": {"top_k": 5}}
    )
    assert len(answers) == 5
    assert all(context[each["start"] : each["end"]] == each["answer"] for each in answers)
    assert [each["score"] for each in answers] == sorted((each["score"] for each in answers), reverse=True)
    _, [one, other], _ = server.ask("/tasks/cloze", {"inputs": "a [MASK] and [MASK]", "parameters": {"top_k": 2}})
    assert (len(one), len(other)) == (2, 2)
    assert one[0]["sequence"] == f"a {one[0]['token_str']} and [MASK]"
    assert other[0]["sequence"] == f"a [MASK] and {other[0]['token_str']}"


def test_sentences_are_compared_with_one(server: Running) -> None:
    inputs = {"source_sentence": ENGLISH, "sentences": ["the bird flies", "红鱼"]}
    status, scores, _ = server.ask("/tasks/pairs", {"inputs": inputs})
    assert status == 200
    pairs = [{"text_a": ENGLISH, "text_b": text} for text in inputs["sentences"]]
    _, wanted, _ = server.ask("/predict", {"inputs": pairs, "tasks": ["pairs"]})
    assert scores == [row["pairs"]["probs"]["1"] for row in wanted["predictions"]]
    assert server.ask("/tasks/intent", {"inputs": inputs})[0] == 422


def test_kserve(server: Running) -> None:
    assert server.ask("/v2/health/live")[:2] == (200, {"live": True})
    assert server.ask("/v2/health/ready")[:2] == (200, {"ready": True})
    assert server.ask("/v2")[1]["name"] == "palm"
    assert server.ask("/v2/models/answers")[1]["inputs"] == [
        {"name": "question", "datatype": "BYTES", "shape": [-1]},
        {"name": "context", "datatype": "BYTES", "shape": [-1]},
    ]
    assert server.ask("/v2/models/intent/ready")[0] == 200
    tensor = {"name": "text_a", "shape": [2], "datatype": "BYTES", "data": ROWS["intent"][:2]}
    status, answer, _ = server.ask("/v2/models/intent/infer", {"id": "一", "inputs": [tensor]})
    _, wanted, _ = server.ask("/predict", {"inputs": ROWS["intent"][:2], "tasks": ["intent"]})
    assert status == 200
    assert (answer["model_name"], answer["id"]) == ("intent", "一")
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert [json.loads(text) for text in outputs["prediction"]["data"]] == [
        row["intent"] for row in wanted["predictions"]
    ]
    assert outputs["probs"]["shape"] == [2, 2]
    assert outputs["label"]["data"] == [row["intent"]["label"] for row in wanted["predictions"]]
    column = {**tensor, "shape": [2, 1], "data": [[text] for text in ROWS["intent"][:2]]}
    _, again, _ = server.ask("/v2/models/intent/infer", {"inputs": [column], "outputs": [{"name": "label"}]})
    assert [output["name"] for output in again["outputs"]] == ["label"]


INFER = "/v2/models/intent/infer"
LONG = "红" * 40_000


BAD_REQUESTS = [
    ("/predict", b"", 400, "empty body"),
    ("/predict", b"{", 400, "JSON"),
    ("/predict", b"[]", 400, "JSON object"),
    ("/predict", b"null", 400, "JSON object"),
    ("/predict", b'{"inputs": [NaN]}', 400, "JSON"),
    ("/predict", b'{"inputs": ["\\ud800"]}', 400, "JSON"),
    ("/predict", b'{"inputs": ["\xff"]}', 400, "JSON"),
    ("/predict", b"[" * 100_000, 400, "recursion"),
    ("/predict", b'{"inputs": ' + b"9" * 5000 + b"}", 400, "range"),
    ("/predict", b'{"inputs": 1e999}', 422, "list of rows"),
    ("/predict", {}, 422, "list of rows"),
    ("/predict", {"inputs": []}, 422, "at least one"),
    ("/predict", {"inputs": "text"}, 422, "list of rows"),
    ("/predict", {"inputs": [None]}, 422, "a text, or an object"),
    ("/predict", {"inputs": [1]}, 422, "a text, or an object"),
    ("/predict", {"inputs": [{}]}, 422, "a text, or an object"),
    ("/predict", {"inputs": [["a"]]}, 422, "a text, or an object"),
    ("/predict", {"inputs": ["a\x00b"]}, 422, "NUL"),
    ("/predict", {"inputs": [{"txt_a": "a"}]}, 422, "Did you mean `text_a`"),
    ("/predict", {"inputs": [{"text_a": 3}]}, 422, "a text, or a list"),
    ("/predict", {"inputs": [{"text_a": None}]}, 422, "a text, or a list"),
    ("/predict", {"inputs": [{"text_a": {"a": "b"}}]}, 422, "a text, or a list"),
    ("/predict", {"inputs": [{"text_a": "a", "id": 1.5}]}, 422, "an id"),
    ("/predict", {"inputs": [{"id": 1}]}, 422, "no text_a"),
    ("/predict", {"inputs": ["a"], "taks": ["intent"]}, 422, "Did you mean `tasks`"),
    ("/predict", {"inputs": ["a"], "tasks": []}, 422, "list of names"),
    ("/predict", {"inputs": ["a"], "tasks": "intent"}, 422, "list of names"),
    ("/predict", {"inputs": ["a"], "tasks": [{}]}, 422, "list of names"),
    ("/predict", {"inputs": ["a"], "tasks": ["intnet"]}, 404, "Did you mean `intent`"),
    ("/predict", {"inputs": ["a"], "tasks": ["pairs"]}, 422, "no text_b"),
    ("/predict", {"inputs": ["a"] * 33}, 413, "at most 32 rows"),
    ("/predict", {"inputs": [LONG]}, 413, "tokens"),
    ("/tasks/nothing", {"inputs": "a"}, 404, "Served: "),
    ("/tasks/pairs", {"inputs": "a"}, 422, "no text_b"),
    ("/tasks/intent", {"inputs": {"text": "a", "text_pair": "b"}}, 422, "reads text_a"),
    ("/tasks/intent", {"inputs": "a", "parameters": {"top_k": 0}}, 422, "top_k"),
    ("/tasks/intent", {"inputs": "a", "parameters": {"top_k": 2**70}}, 422, "top_k"),
    ("/tasks/intent", {"inputs": "a", "parameters": {"topk": 1}}, 422, "Did you mean `top_k`"),
    ("/tasks/intent", {"inputs": "a", "parameters": []}, 422, "parameters"),
    ("/tasks/cloze", {"inputs": "no mask"}, 422, "[MASK]"),
    (INFER, {"inputs": [{"name": "text_a", "shape": [1], "datatype": "FP32", "data": [1]}]}, 422, "BYTES"),
    (INFER, {"inputs": [{"name": "text_a", "shape": [2], "datatype": "BYTES", "data": ["a"]}]}, 422, "shape"),
    (INFER, {"inputs": [{"name": "text_a", "shape": [-1], "datatype": "BYTES", "data": []}]}, 422, "shape"),
    (INFER, {"inputs": [{"name": "other", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}, 422, "text_a"),
    (INFER, {"inputs": [3]}, 422, "a tensor"),
    ("/v2/models/x/infer", {}, 404, "Served: "),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "words"), BAD_REQUESTS)
def test_bad_requests_are_told_what_is_wrong(server: Running, path: str, body: object, status: int, words: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found, answer, headers = server.ask(path, raw=raw)
    assert (found, answer["error"]["status"]) == (status, status)
    assert words in json.dumps(answer, ensure_ascii=False)
    assert headers["content-type"] == "application/json"
    assert server.ask("/predict", {"inputs": [ENGLISH], "tasks": ["intent"]})[0] == 200


# Quoted values of the request, keys, headers and paths, which are the same in Chinese.
SAME = re.compile(r"\"[^\"]*(\"|…)|`[^`]*`|\[rows?(, 1)?\]|/\w+(\.json)?")
NAMES = (
    "null",
    "Infinity",
    "MASK",
    "choices",
    "context",
    "question",
    "tasks",
    "aggregation_strategy",
    "top_k",
    "JSON",
    "UTF-8",
    "Unicode",
    "NUL",
    "BYTES",
    "id",
    "inputs",
    "sentences",
    "source_sentence",
)


@pytest.mark.parametrize(("path", "body", "status"), [case[:3] for case in BAD_REQUESTS])
def test_bad_requests_are_told_in_chinese_where_that_is_asked_for(
    server: Running, path: str, body: object, status: int
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    _, english, headers = server.ask(path, raw=raw)
    assert headers["content-language"] == "en"
    found, chinese, headers = server.ask(path, raw=raw, headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert (found, headers["content-language"]) == (status, "zh")
    told = dict(chinese["error"])
    for key, text in english["error"].items():
        if key in ("status", "title", "where"):
            assert told.pop(key) == text
    words = english_words(SAME.sub(" ", " ".join(told.values())), but=(*NAMES, *ROWS, "text_a", "text_b"))
    assert words == set(), told
    assert re.search("[\u4e00-\u9fff]", told["rule"])


def test_requests_without_the_right_token_path_or_method_are_refused_in_chinese(server: Running) -> None:
    asks = {"accept-language": "zh"}
    assert server.ask("/predict", headers=asks)[1]["error"]["rule"] == "该路径支持的方法为 POST。"
    assert (
        server.ask("/x%60y%20has%20no%20column", headers=asks)[1]["error"]["found"] == "实际为 `/x%60y has no column`。"
    )
    refusal = server.ask("/info", headers={**asks, "host": "evil.example"})[1]["error"]
    assert refusal["found"] == '实际为 "evil.example"。'


def test_a_row_that_a_task_cannot_read_is_told_in_chinese(server: Running) -> None:
    asked = {"inputs": [ENGLISH], "tasks": ["intent", "pairs"]}
    _, english, _ = server.ask("/predict", asked)
    _, chinese, _ = server.ask("/predict", asked, headers={"accept-language": "zh"})
    assert "no text_b" in english["predictions"][0]["pairs"]["error"]
    assert re.search("[\u4e00-\u9fff]", chinese["predictions"][0]["pairs"]["error"])
    assert chinese["predictions"][0]["intent"] == english["predictions"][0]["intent"]


def test_other_types_methods_and_paths(server: Running) -> None:
    body = json.dumps({"inputs": ["a"]}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert server.ask("/predict", raw=body, headers={"content-type": kind})[0] == 415
    assert server.ask("/predict", raw=body, headers={"content-type": "application/json; charset=utf-8"})[0] == 200
    status, answer, headers = server.ask("/predict")
    assert (status, headers["allow"]) == (405, "POST")
    assert "methods POST" in answer["error"]["rule"]
    assert server.ask("/predict", method="DELETE")[0] == 405
    assert server.ask("/no/such/../path")[0] == 404
    assert server.ask("/../../etc/passwd")[0] == 404


def test_every_response_has_the_headers_of_a_page_that_loads_nothing_else(server: Running) -> None:
    for path in ("/healthz", "/nothing"):
        _, _, headers = server.ask(path)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_openapi_describes_every_path(server: Running) -> None:
    status, document, _ = server.ask("/openapi.json")
    assert status == 200
    posts = {"/predict", "/tasks/{name}", "/v2/models/{name}/infer"}
    gets = {"/healthz", "/info", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready"}
    gets |= {"/v2/models/{name}", "/v2/models/{name}/ready"}
    assert set(document["paths"]) == posts | gets
    for path in posts:
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert body["schema"]["required"] == ["inputs"]
        assert body["examples"]


def test_numbers_for_prometheus(server: Running) -> None:
    server.ask("/predict", {"inputs": [ENGLISH, ENGLISH], "tasks": ["intent"]})
    status, text, headers = server.ask("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    names = ("palm_requests_total", "palm_rows_total", "palm_tokens_total", "palm_batch_rows_bucket",
             "palm_queue_requests", "palm_queue_seconds_bucket", "palm_request_seconds_bucket",
             "palm_compute_seconds_sum", "process_resident_memory_bytes")  # fmt: skip
    assert [name for name in names if name not in text] == []
    assert 'palm_requests_total{path="/predict",status="200"}' in text


def test_onnx_runtime_answers_the_same(run: Path, server: Running) -> None:
    pytest.importorskip("onnxruntime", reason='needs the extra onnx: pip install "paddle-palm[onnx]"')
    tasks = sorted(ROWS.keys() - {"writes"})  # which has no graph: it writes token by token
    with serving(run, "--runtime", "onnx", "--tasks", ",".join(tasks)) as other:
        assert other.ask("/info")[1]["runtime"] == "onnx"
        for task in tasks:
            body = {"inputs": ROWS[task], "tasks": [task]}
            (_, found, _), (_, wanted, _) = other.ask("/predict", body), server.ask("/predict", body)
            assert equal(found["predictions"], wanted["predictions"]), task
        assert other.stop() == 0
    with serving(run, "--tasks", "intent") as chosen:
        assert chosen.ask("/info")[1]["runtime"] in ("palm", "onnx")
        assert any("the faster one here" in line for line in chosen.log)


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same but for the last digits of numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=1e-5)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def test_some_tasks_alone(run: Path) -> None:
    with serving(run, "--tasks", "intent,slots") as running:
        assert list(running.ask("/info")[1]["tasks"]) == ["intent", "slots"]
        assert running.ask("/tasks/pairs", {"inputs": "a"})[0] == 404
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "needs a token"),
        (("--host", "::"), "needs a token"),
        (("--token", "short"), "a token has 8 to 512 characters"),
        (("--token", "ein schönes Wort"), "without blanks"),
        (("--token", "a-good-token", "--no-auth"), "Remove one of them"),
        (("--token_file", "/nowhere/token"), "a file with a token is expected"),
        (("--tasks", "intnet"), "no task `intnet`"),
        (("--port", "70000"), "from 0 to 65535"),
        (("--workers", "0", "--threads", "0"), "--threads: a number of at least 1"),
        (("--timeout", "nan"), "a number above 0"),
        (("--host", "no.such.host.invalid", "--no-auth"), "an address of this machine"),
        (("--runtime", "fast"), "invalid choice: 'fast'"),
    ],
)
def test_a_server_that_is_not_safe_or_not_possible_does_not_start(
    run: Path, options: tuple[str, ...], words: str
) -> None:
    code, message = refused(run, *options)
    assert code == 2
    assert words in message
    assert "Traceback" not in message


def test_a_path_without_a_model(tmp_path: Path) -> None:
    code, message = refused(tmp_path / "nothing")
    assert code == 2
    assert "no inference model here" in message
