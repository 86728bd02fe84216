"""The Merkle tree of RFC 6962, section 2.1, word for word, and checkpoints of c2sp.org.

Slow and plain on purpose, and shares nothing with clients/python or the daemon: it is what they are
held against. Leaves are given as their bytes; D[k1:k2] of the RFC is a slice of the list.
"""

import base64
import hashlib


def sha256(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


def split(n):
    """k, the largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def root(entries):
    """MTH(D[n])."""
    n = len(entries)
    if n == 0:
        return sha256()
    if n == 1:
        return sha256(b'\0', entries[0])
    k = split(n)
    return sha256(b'\1', root(entries[:k]), root(entries[k:]))


def inclusion(m, entries):
    """PATH(m, D[n])."""
    n = len(entries)
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return inclusion(m, entries[:k]) + [root(entries[k:])]
    return inclusion(m - k, entries[k:]) + [root(entries[:k])]


def range_proof(begin, end, entries):
    """
    The hashes that lead from D[begin:end] to the root: of each level, from the leaves up, the
    node before the range where it begins with an odd index, then the one behind it where it ends
    with an even one. A node is the hash of a slice.
    """
    first, last, top, width, proof = begin, end - 1, len(entries) - 1, 1, []
    while top > 0:
        if first % 2 == 1:
            proof.append(root(entries[(first - 1) * width:first * width]))
        if last % 2 == 0 and last < top:
            proof.append(root(entries[(last + 1) * width:(last + 2) * width]))
        first, last, top, width = first // 2, last // 2, top // 2, 2 * width
    return proof


def consistency(m, entries):
    """PROOF(m, D[n])."""
    return subproof(m, entries, True)


def subproof(m, entries, known):
    n = len(entries)
    if m == n:
        return [] if known else [root(entries)]
    k = split(n)
    if m <= k:
        return subproof(m, entries[:k], known) + [root(entries[k:])]
    return subproof(m - k, entries[k:], False) + [root(entries[:k])]


def checkpoint(sign, public, size, root_hash, synthetic=False):
    """A signed note; sign takes bytes."""
    name = ('baocao-synthetic/' if synthetic else 'baocao/') + public.hex()[:16]
    body = f'{name}\n{size}\n{base64.b64encode(root_hash).decode()}\n'
    key_hash = sha256(name.encode(), b'\n\1', public)[:4]
    line = base64.b64encode(key_hash + sign(body.encode())).decode()
    return f'{body}\n— {name} {line}\n'


def cosignature(sign, public, note, seconds, synthetic=False):
    """The signature line of a witness of that name for a note."""
    name = ('baocao-synthetic/' if synthetic else 'baocao/') + public.hex()[:16]
    body = note.split('\n\n')[0] + '\n'
    key_hash = sha256(name.encode(), b'\n\4', public)[:4]
    signature = sign(f'cosignature/v1\ntime {seconds}\n{body}'.encode())
    line = base64.b64encode(key_hash + seconds.to_bytes(8, 'big') + signature).decode()
    return f'— {name} {line}\n'
