"""A controller on kopf for the kind of examples/devices: it reports, and lets go."""

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_):
    # Where kopf remembers what it has handled. In annotations, it needs no field of the status.
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage()
    settings.persistence.finalizer = "kopf.example.io/finalizer"


@kopf.on.create("infra.example.io", "v1", "devices")
@kopf.on.update("infra.example.io", "v1", "devices", field="spec")
def report(spec, meta, patch, **_):
    patch.status["phase"] = "Ready"
    patch.status["message"] = f"in {spec['location']}"
    patch.status["observedGeneration"] = meta["generation"]


@kopf.on.delete("infra.example.io", "v1", "devices")
def let_go(logger, name, **_):
    logger.info("%s may go", name)
