"""What the process that follows a run says."""

import pytest

from cartoon_dist.train.trackers.process import reason_of, without_secrets


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no answer from http://me:pass@host:80/x", "no answer from http://***@host:80/x"),
        ("https://host/x?write_token=abc&run=3 failed", "https://host/x?write_token=***&run=3 failed"),
        ("mail me@host", "mail me@host"),
        ("key topsecret1 refused", "key *** refused"),
    ],
)
def test_secrets_are_left_out(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "topsecret1")
    monkeypatch.setenv("EMPTY_TOKEN", "")
    assert without_secrets(text) == said


def test_a_reason_is_one_bounded_line() -> None:
    said = reason_of(ValueError("first\nsecond\x1b[2J " + "x" * 1000))
    assert said.startswith("ValueError: first second\\x1b[2J xxx")
    assert "\n" not in said
    assert len(said) < 350
