"""Which files a server watches; reloads themselves are in tests/integration/test_serve_changes.py."""

import pytest

pytest.importorskip("prometheus_client", reason='needs the extra serve: pip install "paddle-palm[serve]"')

from palm.inference.serving.reload import manifests_in


def test_models_are_watched_and_checkpoints_are_not(tmp_path):
    models = ["infer_model", "任务/infer_model"]
    for place in (*models, "ckpt/step_5", "任务/best_infer_model"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "manifest.json").write_text("{}", encoding="utf-8")

    assert {path for path, *_ in manifests_in(tmp_path)} == {str(tmp_path / one / "manifest.json") for one in models}
    assert len(manifests_in(tmp_path / "infer_model")) == 1
