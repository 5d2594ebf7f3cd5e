"""`slipway predict`."""

import io
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from slipway.cli import main
from slipway.cli._predict import PicturesRejected, SomePicturesRejected, predict
from slipway.cli._predict_pictures import NoPictures
from slipway.client import PictureWarning, ServerUnavailable
from slipway.contract import ModelContract
from tests.unit.fake_triton import CONTRACT


@pytest.fixture
def slipway():
    """Run `slipway predict` with arguments; what it raises is raised here, what it said is `slipway.said`."""
    app = typer.Typer()
    app.command()(predict)

    def run(*arguments, stdin=None):
        runner = CliRunner(env={"COLUMNS": "300"})
        result = runner.invoke(app, list(map(str, arguments)), input=stdin)
        run.out, run.said = result.stdout, result.stderr
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    return run


def png(value):
    """The bytes of a picture whose first pixel is `value`."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[0, 0] = value
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def files(tmp_path):
    """Two pictures that the fake calls "3" and "7", or "2" and "8" when they are inverted."""
    for name, value in (("three.png", 3), ("seven.png", 7)):
        (tmp_path / name).write_bytes(png(value))
    return [tmp_path / "three.png", tmp_path / "seven.png"]


def cells(line):
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_table_shows_file_label_probability_and_next_best(fake, slipway, files):
    fake.mangle = lambda one_hot: (0.9 * one_hot + 0.1 * np.eye(10)[[5] * len(one_hot)]).astype(np.float32)
    lines = slipway(*files, "--url", fake.url).splitlines()

    assert "model mnist, version 1" in lines[0]
    for file, label in zip(files, "37", strict=True):
        (row,) = [line for line in lines if str(file) in line]
        assert [str(file), label, "90.00%", "5 (10.00%)"] == cells(row)


@pytest.mark.parametrize(
    ("top_k", "expected"),
    [(1, ["60.00%"]), (3, ["60.00%", "5 (30.00%), 1 (10.00%)"])],
)
def test_top_k_says_how_many_labels_are_shown(grpc_fake, slipway, files, top_k, expected):
    grpc_fake.mangle = lambda one_hot: (0.6 * one_hot + 0.3 * np.eye(10)[[5]] + 0.1 * np.eye(10)[[1]]).astype(
        np.float32
    )
    (row,) = [
        line for line in slipway(files[0], "--url", grpc_fake.url, "--top-k", top_k).splitlines() if "png" in line
    ]

    assert [str(files[0]), "3", *expected] == cells(row)


def test_json_has_the_best_labels_when_they_are_asked_for(grpc_fake, slipway, files):
    grpc_fake.mangle = lambda one_hot: (0.75 * one_hot + 0.25 * np.eye(10)[[5]]).astype(np.float32)
    (record,) = json.loads(slipway(files[0], "--url", grpc_fake.url, "--json", "--top-k", 2))

    assert [{"label": "3", "probability": 0.75}, {"label": "5", "probability": 0.25}] == record["top"]


def test_json_is_one_list_for_machines(fake, slipway, files):
    records = json.loads(slipway(*files, "--url", fake.url, "--json"))

    assert [
        {
            "file": str(file),
            "label": label,
            "probability": 1.0,
            "probabilities": {name: float(name == label) for name in "0123456789"},
            "model": "mnist",
            "version": "1",
        }
        for file, label in zip(files, "37", strict=True)
    ] == records


def test_invert_is_for_dark_digits_on_light_paper(fake, slipway, files):
    records = json.loads(slipway(*files, "--url", fake.url, "--json", "--invert"))

    assert ["2", "8"] == [record["label"] for record in records]


def test_a_folder_is_its_pictures_in_the_order_of_their_names(grpc_fake, slipway, files, tmp_path):
    for name in ("notes.txt", ".hidden.png"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    records = json.loads(slipway(tmp_path, "--url", grpc_fake.url, "--json"))

    assert [(str(files[1]), "7"), (str(files[0]), "3")] == [(record["file"], record["label"]) for record in records]


def test_more_pictures_than_one_call_takes_are_answered_in_order(grpc_fake, slipway, tmp_path, monkeypatch):
    monkeypatch.setattr("slipway.cli._predict._PICTURES_A_CALL", 7)
    for i in range(25):
        (tmp_path / f"{i:02}.png").write_bytes(png(i))
    records = json.loads(slipway(tmp_path, "--url", grpc_fake.url, "--json"))

    assert [str(i % 10) for i in range(25)] == [record["label"] for record in records]
    assert [7, 7, 7, 4] == [len(batch) for batch in grpc_fake.batches]


def test_a_picture_may_come_on_standard_input(grpc_fake, slipway):
    (record,) = json.loads(slipway("-", "--url", grpc_fake.url, "--json", stdin=png(4)))

    assert ("-", "4") == (record["file"], record["label"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["-", "-"], "at most once, got it twice"), (["{folder}"], "expected a folder with pictures")],
)
def test_words_that_name_no_picture_are_refused_before_anything_is_asked(grpc_fake, slipway, tmp_path, arguments, said):
    with pytest.raises(NoPictures, match=said):
        slipway(*[argument.format(folder=tmp_path) for argument in arguments], "--url", grpc_fake.url)

    assert {} == dict(grpc_fake.asked)


def test_standard_input_that_is_no_picture_is_named(grpc_fake, slipway):
    with pytest.raises(PicturesRejected, match=r"^standard input: expected an image file such as PNG or JPEG"):
        slipway("-", "--url", grpc_fake.url, stdin=b"hello")


def test_file_that_is_no_picture_is_named_and_the_others_are_answered(fake, slipway, files, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SomePicturesRejected, match="2 of 4 pictures could not be read, the others were classified"):
        slipway(files[0], tmp_path / "notes.txt", files[1], tmp_path / "none.png", "--url", fake.url)

    assert ["3", "7"] == [cells(line)[1] for line in slipway.out.splitlines() if ".png" in line]
    assert f"rejected: {tmp_path}/notes.txt: expected an image file such as PNG or JPEG" in slipway.said
    assert f"rejected: {tmp_path}/none.png: no such file" in slipway.said


def test_json_names_what_was_refused_in_its_place(grpc_fake, slipway, files, tmp_path):
    with pytest.raises(SomePicturesRejected):
        slipway(files[0], tmp_path / "none.png", files[1], "--url", grpc_fake.url, "--json")
    first, refused, last = json.loads(slipway.out)

    assert ("3", "7") == (first["label"], last["label"])
    assert {"file": f"{tmp_path}/none.png", "error": f"{tmp_path}/none.png: no such file"} == refused


def test_when_no_file_is_there_nobody_is_asked(grpc_fake, slipway, tmp_path):
    with pytest.raises(PicturesRejected, match=r"none\.png: no such file"):
        slipway(tmp_path / "none.png", "--url", grpc_fake.url)
    with pytest.raises(PicturesRejected, match="none of the 2 pictures could be read"):
        slipway(tmp_path / "a.png", tmp_path / "b.png", "--url", grpc_fake.url)

    assert {} == dict(grpc_fake.asked)


def test_frames_and_fit_are_named_as_options(grpc_fake, slipway, tmp_path):
    frames = [Image.new("L", (28, 28), value) for value in (1, 2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (90, 30)).save(tmp_path / "wide.png")
    with pytest.raises(PicturesRejected, match="choose one, --frame 0 to --frame 1"):
        slipway(tmp_path / "a.gif", "--url", grpc_fake.url)
    with pytest.warns(PictureWarning, match="stretched to 28 x 28; --fit pad keeps the proportions, --fit crop cuts"):
        slipway(tmp_path / "wide.png", "--url", grpc_fake.url)

    assert "2" == json.loads(slipway(tmp_path / "a.gif", "--url", grpc_fake.url, "--json", "--frame", 1))[0]["label"]
    assert slipway(tmp_path / "wide.png", "--url", grpc_fake.url, "--fit", "pad")


def test_warnings_are_one_line_on_standard_error_and_the_answer_stays_clean(grpc_fake, tmp_path, monkeypatch, capsys):
    grpc_fake.contract = ModelContract(
        name="mnist", image_shape=(28, 28, 1), labels=CONTRACT.labels, max_batch_size=8, background="dark"
    )
    for name in "abcde":
        Image.new("L", (28, 28), 255).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(sys, "argv", ["slipway", "predict", str(tmp_path), "--json", "--url", grpc_fake.url])
    monkeypatch.setattr("warnings.showwarning", warnings.showwarning)  # `main` replaces it
    warnings.simplefilter("default")  # pytest restores what was
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()

    assert 0 == ended.value.code
    assert 5 == len(json.loads(printed.out))
    assert printed.err.startswith(f"warning: {tmp_path}/a.png: it shows dark on light (border brightness 255 of 255)")
    assert printed.err.endswith("the model was trained on light on dark: --invert; and 2 more such\n")
    assert 1 == printed.err.count("\n")


def test_labels_and_names_are_shown_as_they_are(grpc_fake, slipway, tmp_path):
    labels = ("[red]zero[/red]", "\x1b[2Jone", "two", *"3456789")
    grpc_fake.contract = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=labels, max_batch_size=8)
    for name, value in (("[bold]a.png", 0), ("\x1b]0;b.png", 1)):
        (tmp_path / name).write_bytes(png(value))
    shown = slipway(tmp_path, "--url", grpc_fake.url)

    assert "\x1b" not in shown
    assert "[bold]a.png" in shown
    assert "[red]zero[/red]" in shown
    assert r"\x1b[2Jone" in shown
    assert r"\x1b]0;b.png" in shown


def test_what_the_terminal_cannot_encode_is_escaped(grpc_fake, tmp_path):
    labels = ("zéro", *"123456789")
    grpc_fake.contract = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=labels, max_batch_size=8)
    path = os.fsencode(tmp_path) + b"/\xff.png"
    with open(path, "wb") as file:  # noqa: PTH123 - a name that is no text
        file.write(png(0))
    script = "import sys; from slipway.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", os.fsdecode(path), "--url", grpc_fake.url],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert r"z\xe9ro" in done.stdout
    assert r"\udcff.png" in done.stdout


def test_long_names_are_shown_to_their_end(grpc_fake, tmp_path):
    name = "x" * 150 + ".png"
    (tmp_path / name).write_bytes(png(4))
    app = typer.Typer()
    app.command()(predict)
    result = CliRunner(env={"COLUMNS": "60"}).invoke(app, [str(tmp_path / name), "--url", grpc_fake.url])

    assert name in "".join(cells(line)[0] for line in result.stdout.splitlines() if line.startswith("│"))


def test_headers_version_and_token_reach_the_server(fake, slipway, files, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    slipway(*files, "--url", fake.url, "--token-env", "MY_TOKEN", "--version", 1)

    assert "Bearer s3cret" in fake.authorizations


def test_server_that_is_down_is_an_error_with_the_way_out(silent_url, slipway, files):
    with pytest.raises(ServerUnavailable, match="slipway serve"):
        slipway(*files, "--url", silent_url, "--timeout-s", "0.2")


def test_help_shows_an_example(slipway):
    assert "Example: slipway predict three.png" in slipway("--help")
