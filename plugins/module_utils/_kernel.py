# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy needs of the kernel and what is the administrator's to switch on, not ours."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._command import Run
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy

_SYSCTLS = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}
# Older kernels silently never match the incoming interface where the source is translated.
_HAIRPIN_KERNEL = (5, 7)


class KernelError(RuntimeError):
    """The kernel's settings would make the policy a lie; nothing was changed."""


def require(policy: Policy, root: str = "/", release: t.Optional[str] = None) -> None:
    """Check that this kernel can do what the policy says.

    :raises KernelError: naming the setting, its value and what to write instead.
    """
    families = {rule.family for rule in policy.rules if rule.direction == "forward"}
    families |= {forward.family for forward in policy.forwards}
    for family in sorted(families):
        name = _SYSCTLS[family]
        value = _sysctl(name, root)
        if value == "0":
            raise KernelError(
                f"{policy.host}: the policy forwards {family}, but forwarding is off in the kernel ({name} = 0). It is "
                f"yours to switch on: set {name} = 1 in /etc/sysctl.d and load it"
            )
    release = os.uname().release if release is None else release
    hairpin = policy.gateway is not None and policy.gateway.hairpin and bool(policy.forwards)
    if hairpin and _version(release) < _HAIRPIN_KERNEL:
        raise KernelError(
            f"{policy.host}: playout_hairpin needs Linux 5.7 or newer, this is {release}: set it to false, or update"
        )


def helper_modules(policy: Policy) -> t.List[str]:
    """Return the kernel modules that the helpers need, with translation; nft loads only the first kind by itself."""
    names = sorted({helper.name for helper in policy.helpers})
    return [f"{kind}_{name}" for name in names for kind in ("nf_conntrack", "nf_nat")]


def load_modules(names: t.Sequence[str], run: Run, root: str = "/") -> t.List[str]:
    """Load kernel modules and return a warning for what is missing; a kernel without any has them built in."""
    if not names or not os.path.isdir(os.path.join(root, "lib/modules", os.uname().release)):
        return []
    result = run(["modprobe", "-a", "-q", *names], "")
    if result.code == 0:
        return []
    return [f"the kernel modules {', '.join(names)} cannot be loaded, FTP through this host may fail: {result.reason}"]


def _version(release: str) -> t.Tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release)[:2])


def _sysctl(name: str, root: str) -> str:
    try:
        with open(os.path.join(root, "proc/sys", *name.split(".")), encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""
