# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules linux_ruleset and linux_ruleset_any do; only the backends that they have are their own."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils import _confirm, _engine, _lock, _worker
from ansible_collections.playout.firewall.plugins.module_utils._backend import (
    BackendError,
    Machine,
    Open,
    OtherBackend,
    StateError,
)
from ansible_collections.playout.firewall.plugins.module_utils._command import run
from ansible_collections.playout.firewall.plugins.module_utils._kernel import KernelError
from ansible_collections.playout.firewall.plugins.module_utils._management import connection_in_use
from ansible_collections.playout.firewall.plugins.module_utils._managers import AUTO, BACKENDS
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError, read_ruleset
from ansible_collections.playout.firewall.plugins.module_utils._packing import unpack
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy, PolicyError
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

ARGUMENTS: t.Dict[str, t.Dict[str, t.Any]] = {
    "policy": {"type": "raw"},
    "backend": {"type": "str", "choices": [AUTO, *BACKENDS], "default": AUTO},
    "enforcement": {"type": "str", "choices": ["scoped", "default_deny"], "default": "scoped"},
    "confirm_timeout": {"type": "raw", "default": 0},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "confirm": {"type": "str"},
}

_MAXIMUM_TIMEOUT = 3600
_UNCHANGED = "Nothing was changed"


def enforce(module: t.Any, open_backend: Open) -> None:
    """Do what the arguments of an AnsibleModule want, with these backends, and end the process with its result."""
    try:
        with _lock.exclusive(), _confirm.confirmed(module.params["confirm"], run):
            result = _ensure(module, open_backend)
    except OtherBackend as error:
        module.fail_json(msg=f"{error}. {_UNCHANGED}", _other_backend=True)
    except _confirm.TooLate as error:
        module.fail_json(msg=str(error), _rolled_back=True)
    except (StateError, _confirm.ConfirmError) as error:
        module.fail_json(msg=str(error))
    except _lock.LockError as error:
        unconfirmed = "The new rules were not confirmed, and the old ones return by themselves"
        module.fail_json(msg=f"{error}. {unconfirmed if module.params['confirm'] else _UNCHANGED}")
    except (PolicyError, NftError, BackendError, KernelError) as error:
        told = str(error)
        module.fail_json(msg=told if _UNCHANGED.lower() in told.lower() else f"{told}. {_UNCHANGED}")
    module.exit_json(**result)


def _ensure(module: t.Any, open_backend: Open) -> t.Dict[str, t.Any]:
    """Bring the host to the wanted state; return the module's result."""
    confirm_timeout = _seconds(module.params["confirm_timeout"])
    left = _confirm.waiting()
    if left:
        raise BackendError(
            f"an earlier change of this host's rules still waits for its confirmation: try again in {left} seconds"
        )
    present = module.params["state"] == "present"
    policy = _policy(module.params["policy"], module.params["enforcement"]) if present else None
    options = Options(module.params["enforcement"], connection_in_use())
    machine = Machine(run, read_ruleset(run), shown=module.check_mode or module._diff)
    work = _engine.plan_work(machine, _engine.Wish(policy, options, module.params["backend"]), open_backend)
    result: t.Dict[str, t.Any] = {"changed": work.changed, "backend": work.backend, "persistent": work.persistent}
    if policy is not None:
        result.update(digest=policy.to_dict()["digest"], rules=len(policy.rules), forwards=len(policy.forwards))
    if module._diff:
        result["diff"] = work.diff
    if not module.check_mode and work.changed:
        token, work.warnings = _worker.to_the_end(lambda: _carried_out(work, machine, confirm_timeout))
        result.update({"_confirm": token} if token else {})
    for warning in work.warnings:
        module.warn(warning)
    return result


def _carried_out(work: _engine.Work, machine: Machine, confirm_timeout: int) -> t.Tuple[t.Optional[str], t.List[str]]:
    return _engine.carry_out(work, machine, confirm_timeout), work.warnings


def _seconds(value: t.Any) -> int:
    # What "auto" means only the action plugin knows, which sees the connection.
    if not str(value).isdigit() or int(value) > _MAXIMUM_TIMEOUT:
        raise _confirm.ConfirmError(f"confirm_timeout: {value!r} must be 0 to {_MAXIMUM_TIMEOUT} seconds")
    return int(value)


def _policy(given: t.Any, enforcement: str) -> Policy:
    if given is None:
        raise PolicyError(
            "policy: it is missing, and only the action plugin of this name can compute it: run it as a task"
        )
    if isinstance(given, str):
        try:
            given = json.loads(unpack(given))
        except ValueError as error:
            raise PolicyError(f"policy: the text is not JSON: {error}") from error
    policy = Policy.from_dict(given)
    if enforcement == "default_deny" and not (policy.management.sources and policy.management.ports):
        raise PolicyError(
            f"{policy.host}: enforcement default_deny without management networks would lock everybody out: "
            "set playout_management to the networks that may use SSH, WinRM and RDP"
        )
    return policy
