# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel says when something is wrong with it."""

import re

BAD = re.compile(
    r"WARNING:|\bBUG\b|\bOops\b|Kernel panic|Call Trace|general protection fault|"
    r"\bKASAN\b|\bKCSAN\b|\bKFENCE\b|\bUBSAN\b|\bDMA-API\b|lockdep|"
    r"possible (circular|recursive) locking|inconsistent lock state|suspicious RCU|"
    r"rcu.*(detected stalls|self-detected stall)|soft lockup|hard LOCKUP|"
    r"INFO: task .* blocked|sleeping function called|scheduling while atomic|"
    r"NETDEV WATCHDOG|transmit queue .* timed out|refcount_t|Bad page|"
    r"page_pool.*(stalled|leak)|unregister_netdevice: waiting|swiotlb buffer is full|"
    r"irq \d+: nobody cared|memory leak|slab.*(corruption|overwritten)|Objects remaining|"
    r"page allocation failure|Out of memory|segfault|trap invalid|"
    r"hw csum failure|unexpected IRQ trap|loading out-of-tree module.*failed")

# An informational line of each boot, which names what BAD looks for without anything being wrong.
HARMLESS = re.compile(r"Lock dependency validator|RCU lockdep checking is enabled|mem auto-init|kfence: initialized|"
                      r"DMA-API: (preallocated|debugging enabled)|kmemleak: .*(initialized|scanning thread started)|"
                      r"RCU Tasks|rcu:.*(stall.*delay|timeout)|lockdep.*(options|initialized)")


def complaints(log, forgiven=()):
    """The lines of a kernel's log that say something is wrong, without those that match a forgiven
    regular expression."""
    return [line for line in log.splitlines()
            if BAD.search(line) and not HARMLESS.search(line)
            and not any(re.search(pattern, line) for pattern in forgiven)]
