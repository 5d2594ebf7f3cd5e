"""The two variants of the client, called alike: what one does, the other does."""

from __future__ import annotations

import asyncio

from slipway.client import AsyncClassifier, Classifier

VARIANTS = ("sync", "async")


def call(variant, url, method, *arguments, model="mnist", **options):
    """Make a client, call one method of it, and close it."""
    return using(variant, url, lambda ask: ask(method, *arguments), model=model, **options)


def using(variant, url, use, *, model="mnist", **options):
    """Run `use(ask)` with one client; `ask("predict", images)` calls it, blocking, whatever the variant."""
    if variant == "sync":
        with Classifier(url, model=model, **options) as classifier:
            return use(lambda method, *arguments, **more: getattr(classifier, method)(*arguments, **more))
    with asyncio.Runner() as runner:
        classifier = AsyncClassifier(url, model=model, **options)
        try:
            return use(lambda method, *arguments, **more: runner.run(getattr(classifier, method)(*arguments, **more)))
        finally:
            runner.run(classifier.close())
