"""Campaigns are read from a file, compared with what is stored, applied and read back.

`file` turns what a marketer writes into a draft with every fault named; `trying` makes its passes
once, before anything is stored; `warning` says what will not show as it may be meant; `applying`
shows the difference and writes it; `shared` is what all passes of a campaign have in common;
`stored` reads terms and presentation back on the hot paths.
"""

from app.services.campaigns.apply import (
    ChangedValue,
    Plan,
    apply,
    plan,
)
from app.services.campaigns.file import (
    LARGEST_FILE,
    CampaignFault,
    CampaignFile,
    DocumentFault,
    Draft,
    read_document,
    read_file,
)
from app.services.campaigns.stored import (
    find,
    issues_until,
    latest_revision,
    presentation_of,
    required,
    revisions,
    store_presentation,
    store_terms,
    terms_from,
    terms_of,
)
from app.services.campaigns.trial import (
    Tried,
    faults_of,
    try_out,
)
from app.services.campaigns.value_rules import read_rules, rules_of
from app.services.campaigns.value_texts import grants_of
from app.services.campaigns.warnings import warnings_of

__all__ = [
    "LARGEST_FILE",
    "CampaignFault",
    "CampaignFile",
    "ChangedValue",
    "DocumentFault",
    "Draft",
    "Plan",
    "Tried",
    "apply",
    "faults_of",
    "find",
    "grants_of",
    "issues_until",
    "latest_revision",
    "plan",
    "presentation_of",
    "read_document",
    "read_file",
    "read_rules",
    "required",
    "revisions",
    "rules_of",
    "store_presentation",
    "store_terms",
    "terms_from",
    "terms_of",
    "try_out",
    "warnings_of",
]
