"""What must hold of refusals, beyond what schemathesis checks by itself; and keys that are new where they have to be."""

import re
import uuid

import schemathesis
from schemathesis.generation.meta import TestPhase

KEY = "Idempotency-Key"

# What a request that its schema allows may be refused for: the code of the problem, and its places, or none.
BEYOND_SCHEMAS = {
    412: [("stale", None)],
    422: [
        ("idempotency_key_reused", None),
        ("invalid", re.compile("after|/products/[0-9]+/sku")),
    ],
}


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """A scenario is played again and again. Under the key of the last time a product that was deleted since would be answered."""
    if case.meta is None or case.meta.phase.name != TestPhase.STATEFUL or not case.meta.generation.mode.is_positive:
        return
    if case.headers and KEY in case.headers:
        case.headers[KEY] = str(uuid.uuid4())


@schemathesis.check
def refused_for_what_no_schema_says(ctx, response, case):
    """A cursor that nobody gave out, a key that was used, an SKU that stands twice, a version that is over; nothing else."""
    allowed = BEYOND_SCHEMAS.get(response.status_code)
    if allowed is None or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    problem = response.json()
    places = [error.get("parameter", error.get("pointer")) for error in problem.get("errors", ())]
    is_allowed = any(
        problem["code"] == code and all(place and place.fullmatch(found) for found in places) for code, place in allowed
    )
    assert is_allowed, f"a valid request was refused: {problem}"


@schemathesis.check
def a_problem_says_what_its_head_says(ctx, response, case):
    if response.headers.get("content-type") != ["application/problem+json"]:
        return
    assert response.json()["status"] == response.status_code
    if response.status_code == 503:
        assert "retry-after" in response.headers, "come again, but when?"
