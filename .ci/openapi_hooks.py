"""What the tester is not to send.

A field that is null, where its schema allows none, counts as left out, as upstream has it. Schemas that
clients are made from do not say so: every optional field would be "or null" in what they read, too. So
the tester does not take the acceptance of such a body for a fault.
"""

import schemathesis


def holds_null(value):
    """Whether a null stands for a field, at any depth."""
    if isinstance(value, dict):
        return any(field is None or holds_null(field) for field in value.values())
    return isinstance(value, list) and any(holds_null(item) for item in value)


@schemathesis.hook
def filter_case(context, case):
    return not holds_null(case.body)
