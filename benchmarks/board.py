"""How `palm board` shows a run of a million lines: `python -m benchmarks.board [--lines 1000000] [--chromium PATH]`.

A run is written, opened by a board in a process of its own, and shown by Chromium (playwright): seconds until the first
curves and until all lines are read, bytes to the browser, and milliseconds between frames while a chart is dragged.
"""

import argparse
import json
import math
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

TASKS = ("intent", "slots", "情感")
DEV_EVERY = 2000
FRAMES = """() => {
  window.frames_ = [];
  let last = performance.now();
  const go = (now) => { window.frames_.push(now - last); last = now; if (window.counts_) requestAnimationFrame(go); };
  window.counts_ = true;
  requestAnimationFrame(go);
}"""


def lines_of_run(count: int) -> Iterator[dict[str, object]]:
    """Lines as a run of three tasks writes them."""
    source = random.Random(1)
    for step in range(1, count + 1):
        loss = 3 * math.exp(-6 * step / count) + 0.2 + abs(source.gauss(0, 0.15))
        yield {
            "split": "train", "global_step": step, "task": TASKS[step % 3], "step": step // 3 % 5000 + 1,
            "epoch": step // 15_000, "loss": round(loss, 4), "loss_normalised": round(loss / 3, 4),
            "learning_rate": 5e-5 * (1 - 0.9 * step / count), "steps_per_second": round(source.gauss(12, 1), 2),
            "data_wait_fraction": round(abs(source.gauss(0.002, 0.002)), 4),
        }  # fmt: skip
        if step % DEV_EVERY == 0:
            accuracy = 0.95 - 0.5 * math.exp(-8 * step / count) + source.gauss(0, 0.004)
            task = TASKS[step // DEV_EVERY % 3]
            yield {"split": "dev", "global_step": step, "task": task, "accuracy": accuracy, "loss": loss}


def write_run(folder: Path, count: int) -> int:
    """Write metrics.jsonl; its bytes."""
    folder.mkdir(parents=True)
    file = folder / "metrics.jsonl"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines_of_run(count))
    return file.stat().st_size


def measure(page: "Page", address: str, count: int) -> dict[str, float]:
    """What a reader of the page waits for."""
    received = [0]
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.dataReceived", lambda event: received.__setitem__(0, received[0] + event["dataLength"]))
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(".plot canvas")
    first = time.perf_counter() - began
    while page.locator("#notice").inner_text() or f"{count:,}" not in page.locator("#range").inner_text():
        page.wait_for_timeout(50)
    complete = time.perf_counter() - began
    page.wait_for_timeout(2000)
    kilobytes = received[0] / 1e3
    moved = drag(page)
    return {
        "seconds to the first curves": first,
        "seconds to all lines": complete,
        "kB to the browser until then": kilobytes,
        "kB to the browser while dragging": received[0] / 1e3 - kilobytes,
        "ms between frames while dragging, median": statistics.median(moved),
        "ms between frames while dragging, 95th percentile": statistics.quantiles(moved, n=20)[-1],
    }


def drag(page: "Page") -> list[float]:
    """Milliseconds between frames while a magnified chart is dragged to and fro."""
    for _ in range(4):
        page.locator("#closer").click()
    page.wait_for_timeout(1500)
    page.evaluate(FRAMES)
    box = page.locator(".plot").first.bounding_box() or {}
    x, y = box["x"] + 250, box["y"] + 100
    page.mouse.move(x, y)
    page.mouse.down()
    for number in range(150):
        page.mouse.move(x - 100 + 100 * math.cos(number / 10), y)
        time.sleep(0.008)
    page.mouse.up()
    found: list[float] = page.evaluate("() => { window.counts_ = false; return window.frames_.slice(2); }")
    return found


def main() -> int:
    """Print a line per number."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (an extra)

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        size = write_run(Path(root) / "million", args.lines)
        print(f"{args.lines:,} lines, {size / 1e6:.0f} MB")
        words = [sys.executable, "-m", "palm", "board", root, "--port", "0"]
        board = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        address = board.stdout.readline().split()[-1] if board.stdout else ""
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=args.chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            for name, value in measure(page, address, args.lines).items():
                print(f"{name}: {value:.4g}")
            browser.close()
        memory = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{board.pid}/status").read_text())
        print(f"MB of the board's process: {int(memory[1]) / 1e3:.0f}" if memory else "")
        board.send_signal(signal.SIGINT)
        return board.wait()


if __name__ == "__main__":
    sys.exit(main())
