"""helm/loadtest rendered as the release `load`, and where in it a test looks."""

from tests.chart.rendering import rendered

CLAIM = {"claim": "models"}
CROWD = {"workers": {"count": 3}}
PAGE = {"web": {"enabled": True}}


def release(values=(), **options):
    """Every object by kind and name, with a claim for the images unless the values say otherwise."""
    return rendered("loadtest", {"images": CLAIM, **dict(values)}, **{"release": "load", **options})


def jobs(objects):
    """The master's Job, and the workers' or None."""
    found = {key[1].endswith("-worker"): document for key, document in objects.items() if key[0] == "Job"}
    return found[False], found.get(True)


def pod(job):
    """The specification of its pods."""
    return job["spec"]["template"]["spec"]


def container(job):
    """The only container of its pods."""
    (only,) = pod(job)["containers"]
    return only


def master(values=(), **options):
    """The Job whose exit code is the verdict."""
    return jobs(release(values, **options))[0]


def overrides(job):
    """What the command line replaces in the scenario: values by dotted key."""
    words = container(job)["args"]
    flag = "--override" if "--override" in words else "--set"
    pairs = [words[index + 1].split("=", 1) for index, word in enumerate(words) if word == flag]
    return dict(pairs)


def mounts(job):
    """Names of volumes by where they are mounted."""
    return {mount["mountPath"]: mount["name"] for mount in container(job)["volumeMounts"]}


def volumes(job):
    """Volumes by name, without it."""
    return {volume["name"]: {key: volume[key] for key in volume if key != "name"} for volume in pod(job)["volumes"]}
