import pytest
import yaml

from training.errors import RecipeError
from training.recipe import RECIPES, load_recipe, shipped_recipes


def variant(tmp_path, change):
    document = yaml.safe_load((RECIPES / "mnist.yaml").read_text())
    change(document)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_two_recipes_ship():
    assert ("mnist", "seed") == shipped_recipes()


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipe_is_valid(name):
    assert "mnist" == load_recipe(name).model


def test_seed_recipe_is_the_classic_one():
    recipe = load_recipe("seed")

    assert ("adam", 5, 32) == (recipe.optimizer.name, recipe.fit.epochs, recipe.fit.batch_size)
    assert (0, 0, 0) == tuple(recipe.augmentation.model_dump().values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["fit"].update(epoch=3), r"fit\.epoch: unknown key; did you mean 'epochs'\?"),
        (lambda d: d.update(networks={}), r"networks: unknown key; did you mean 'network'\?"),
        (lambda d: d["serving"]["cpu"].update(zzz=1), r"serving\.cpu\.zzz: unknown key; known keys: instances"),
        (lambda d: d["fit"].pop("epochs"), r"fit\.epochs: missing"),
        (lambda d: d["fit"].update(epochs=0), r"fit\.epochs: .*greater than or equal to 1, got 0"),
        (lambda d: d["fit"].update(epochs="ten"), r"fit\.epochs: .*valid integer, got 'ten'"),
        (lambda d: d["gates"].update(min_accuracy=99.2), r"gates\.min_accuracy: .*less than or equal to 1, got 99\.2"),
        (lambda d: d["export"].update(opset=18) if "export" in d else d.update(export={"opset": 18}), "opset.*got 18"),
        (lambda d: d["network"].update(builder="compact_cnn"), r"network\.builder: .*got 'compact_cnn'"),
        (lambda d: d["optimizer"].update(name="sgd"), "weight_decay needs name: adamw, got name: sgd"),
        (lambda d: d["optimizer"].update(warmup_epochs=10), r"less than fit\.epochs \(10\), got 10"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_recipe_is_refused_with_file_key_expected_and_got(tmp_path, change, words):
    path = variant(tmp_path, change)

    with pytest.raises(RecipeError, match=words) as refused:
        load_recipe(path)
    assert path in str(refused.value)


def test_every_problem_is_told_at_once(tmp_path):
    path = variant(tmp_path, lambda d: (d["fit"].update(epoch=3), d["gates"].update(min_accuracy=2)))

    with pytest.raises(RecipeError, match="2 problem"):
        load_recipe(path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "{a: [", "\x00"], ids=["list", "broken", "binary"])
def test_what_is_no_recipe_is_refused(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)

    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        load_recipe(str(path))


def test_an_unknown_name_is_answered_with_the_shipped_ones():
    with pytest.raises(RecipeError, match="mnist, seed"):
        load_recipe("minst")
