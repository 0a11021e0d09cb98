"""Every metric that `/metrics` shows."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

from app.delivery import engine
from app.services.metrics import REGISTRY
from app.serving import refusals
from app.web import api
from tests.reference.markdown import code, paragraph, table

#: Whose import registers what a process counts.
_COUNTED_BY = (api, engine, refusals)


def page() -> str:
    rows = []
    for metric in sorted(_metrics(), key=lambda metric: metric._name):
        (family,) = metric.describe()
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ", ".join(code(label) for label in metric._labelnames) or "none"
        rows.append((code(name), family.type, labels, f"{family.documentation}."))
    return "\n".join(
        [
            "# Metrics\n",
            paragraph("This page lists every metric with its type, its labels and its meaning."),
            paragraph(
                "`/metrics` answers in Prometheus' text format. It asks for `Authorization: "
                "Bearer` with `PASSERELLE_METRICS_TOKEN`; without a token development answers the "
                "same machine, and production nobody. A histogram has `_bucket`, `_sum` and "
                "`_count`."
            ),
            table(("metric", "type", "labels", "meaning"), rows),
        ]
    )


def _metrics() -> list[MetricWrapperBase]:
    found = list(REGISTRY._collector_to_names)
    if strange := [each for each in found if not isinstance(each, MetricWrapperBase)]:
        raise LookupError(f"No words for {strange}.")
    return [each for each in found if isinstance(each, MetricWrapperBase)]
