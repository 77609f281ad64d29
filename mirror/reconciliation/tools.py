"""What the parts of one run share."""

from dataclasses import dataclass

from mirror.partoo.patience import PatientReader
from mirror.reconciliation.keeper import Keeper
from mirror.reconciliation.ledger import Ledger
from mirror.reconciliation.narrator import Narrator
from mirror.reconciliation.scope import Scope
from mirror.storage.store import Store


@dataclass(frozen=True, slots=True)
class Tools:
    store: Store
    reader: PatientReader
    scope: Scope
    keeper: Keeper
    ledger: Ledger
    narrator: Narrator
