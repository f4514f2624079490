"""Verifies what estelam exported or proved, from the file alone, without a line of estelam's own code:

    verify_log.py export FILE VKEY     an exported log (estelam audit export)
    verify_log.py proof FILE VKEY      a proof of a certificate (estelam audit prove)
    verify_log.py checkpoint FILE VKEY

VKEY is the key as `estelam audit key` prints it, or a file with it. Ends with 0 when everything fits, with
1 and what does not otherwise. The formats: C2SP signed-note, tlog-checkpoint and tlog-proof; RFC 6962
§2.1 for the tree; the exported file is drawn in estelam's src/audit/export.rs, an entry in
src/ledger/entry.rs. Needs Python 3.9 and the package `cryptography`, for Ed25519.
"""

import base64, hashlib, json, os, struct, sys
from datetime import datetime, timezone
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    """What does not fit."""


def check(fits, what):
    if not fits:
        raise Wrong(what)


# --- Trees: RFC 6962 §2.1 -----------------------------------------------------------------------------

def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Complete subtrees, the largest first: each is the number of its leaves and its root."""

    def __init__(self):
        self.subtrees = []

    def add(self, root, leaves=1):
        while self.subtrees and self.subtrees[-1][0] == leaves:
            root = node_hash(self.subtrees.pop()[1], root)
            leaves *= 2
        self.subtrees.append((leaves, root))

    def root(self):
        if not self.subtrees:
            return hashlib.sha256(b"").digest()
        root = self.subtrees[-1][1]
        for _, left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root


def root_by_path(leaf, index, size, path):
    """The root that a path of hashes leads to, from the leaf up: the definition of PATH, read backwards."""
    if size == 1:
        check(not path, "a path is longer than the tree is high")
        return leaf
    check(path, "a path is shorter than the tree is high")
    left = 1 << ((size - 1).bit_length() - 1)
    if index < left:
        return node_hash(root_by_path(leaf, index, left, path[:-1]), path[-1])
    return node_hash(path[-1], root_by_path(leaf, index - left, size - left, path[:-1]))


# --- Notes and checkpoints: C2SP ------------------------------------------------------------------------

class Key:
    def __init__(self, vkey):
        name, key_id, key = vkey.strip().split("+", 2)
        key = base64.b64decode(key, validate=True)
        check(len(key) == 33 and key[0] == 1, "the key is not an Ed25519 key")
        self.name, self.id = name, hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
        check(self.id.hex() == key_id, "the key's id does not fit it")
        self.public = Ed25519PublicKey.from_public_bytes(key[1:])

    def text_of(self, note):
        """The text of a note that this key signed."""
        text, found, signatures = note.rpartition("\n\n")
        check(found, "this is no signed note")
        text += "\n"
        signed = False
        for line in signatures.splitlines():
            dash, name, signature = line.split(" ")
            signature = base64.b64decode(signature, validate=True)
            check(dash == "\u2014", "a line of a note is no signature")
            if (name, signature[:4]) == (self.name, self.id):
                try:
                    self.public.verify(signature[4:], text.encode())
                except InvalidSignature:
                    raise Wrong(f"the signature by {name} is not over this text") from None
                signed = True
        check(signed, f"the note is not signed by {self.name}")
        return text


def checkpoint(note, key):
    """First number of its epoch, size and root of a signed checkpoint."""
    origin, size, root = key.text_of(note).splitlines()[:3]
    epoch = 1
    if origin != key.name:
        name, _, number = origin.rpartition("/epoch-")
        check(name == key.name and number.isdigit(), f"it is a checkpoint of {origin!r}, not of {key.name!r}")
        epoch = int(number)
    return epoch, int(size), base64.b64decode(root, validate=True)


# --- Entries --------------------------------------------------------------------------------------------

KINDS = {1: "issuer defined", 2: "issued", 3: "revoked", 4: "released", 5: "clock accepted", 6: "evidence",
         7: "all certificates of the issuer revoked"}


class Entry:
    """What every entry begins with, and whom a certificate's is about."""

    def __init__(self, octets):
        try:
            self.version, self.kind, self.sequence, self.recorded_ms = struct.unpack_from(">BBQQ", octets)
            at = 18
            length = octets[at]
            self.source = octets[at + 1 : at + 1 + length].decode()
            at += 1 + length
            (length,) = struct.unpack_from(">H", octets, at)
            self.cursor = octets[at + 2 : at + 2 + length].decode()
            at += 2 + length
            check(at <= len(octets) and self.version == 1, "an entry is not one of version 1")
            self.issuer = self.previous = self.serial = None
            if self.kind in (1, 7):
                (self.issuer,) = struct.unpack_from(">I", octets, at)
            if self.kind in (2, 3, 4):
                self.issuer, self.previous, length = struct.unpack_from(">IQB", octets, at)
                self.serial = octets[at + 13 : at + 13 + length].hex().upper()
        except (struct.error, IndexError, UnicodeDecodeError):
            raise Wrong("an entry's octets are not an entry's") from None

    def __str__(self):
        recorded = datetime.fromtimestamp(self.recorded_ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        kind = KINDS.get(self.kind, f"kind {self.kind}")
        serial = f" {self.serial}" if self.serial else ""
        return f"{self.sequence} {recorded} {kind}{serial} ({self.source} {self.cursor})"


# --- The exported file ----------------------------------------------------------------------------------

class Reader:
    def __init__(self, file):
        self.file = file

    def take(self, length):
        octets = self.file.read(length)
        check(len(octets) == length, "the file was cut off")
        return octets

    def number(self, width):
        return int.from_bytes(self.take(width), "big")

    def counted(self, most):
        length = self.number(4)
        check(length <= most, "a length is over its limit")
        return self.take(length)


def verify_export(path, key):
    with open(path, "rb") as file:
        reader = Reader(file)
        check(reader.take(8) == b"ESTLMLOG", "this is no exported log")
        check(reader.number(4) == 1, "the file has another version")
        epoch, size, root = checkpoint(reader.counted(65536).decode(), key)
        epochs = [(reader.number(8), reader.number(8)) for _ in range(reader.number(4))]
        check(epochs and epochs[0] == (1, 0), "the first epoch does not begin at entry 1")
        check(epochs[-1][0] == epoch or size == 0, "the epochs are not those of the checkpoint")
        first = leaf = reader.number(8)
        check(first % 256 == 0 and first <= size, "the file begins where no block does")
        tree, wrong = Tree(), []
        for bit in range(63, -1, -1):
            if first >> bit & 1:
                tree.subtrees.append((1 << bit, reader.take(32)))
        # The root by what the blocks say of themselves: it tells which of them was altered.
        told = Tree()
        told.subtrees = list(tree.subtrees)
        sequence, later = None, [e for e in epochs if e[1] > leaf]
        begun = [e for e in epochs if e[1] <= leaf][-1]
        sequence = begun[0] + leaf - begun[1]
        while leaf < size:
            count, block_root = reader.number(4), reader.take(32)
            check(count == min(256, size - leaf), "a block has another number of entries than it should")
            block, began = Tree(), sequence
            for _ in range(count):
                while later and later[0][1] == leaf:
                    check(later[0][0] >= sequence, "an epoch begins before the one before it has ended")
                    sequence = later.pop(0)[0]
                octets = reader.counted(1 << 24)
                block.add(leaf_hash(octets))
                try:
                    entry = Entry(octets)
                    if entry.sequence != sequence:
                        wrong.append(f"entry {entry.sequence} stands where entry {sequence} should")
                    elif entry.previous is not None and entry.previous >= sequence:
                        wrong.append(f"entry {sequence} names a later one before it")
                except Wrong as error:
                    wrong.append(f"entry {sequence}: {error}")
                last, sequence, leaf = sequence, sequence + 1, leaf + 1
            if block.root() != block_root:
                wrong.append(f"the entries {began} to {last} do not hash to what their block says")
            # A block is a complete subtree, but for the last one.
            for into, its_root in ((tree, block.root()), (told, block_root)):
                into.add(its_root, 256) if count == 256 else into.subtrees.append((count, its_root))
        check(not file.read(1), "something follows the last entry")
    if told.root() != root:
        wrong.insert(0, "the root over the file is not the one that was signed")
    if tree.root() != root and not wrong:
        wrong.append("the root over the entries is not the one that was signed")
    check(not wrong, "\n".join(wrong))
    print(f"{size - first} entries are what {key.name} signed for, which covers {size} in all")


# --- Proofs ---------------------------------------------------------------------------------------------

def verify_proof(path, key):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    check(document["format"] == "estelam-proof-v1", "the proof has another format")
    _, size, root = checkpoint(document["checkpoint"], key)
    before, issuer, lines = 0, None, []
    for proven in document["entries"]:
        octets = base64.b64decode(proven["entry"], validate=True)
        head, _, note = proven["proof"].partition("\n\n")
        version, index, *path_lines = head.split("\n")
        check(version == "c2sp.org/tlog-proof@v1" and index.startswith("index "), "this is no tlog-proof")
        check(note == document["checkpoint"], "a proof ends in another checkpoint")
        index = int(index[len("index "):])
        hashes = [base64.b64decode(line, validate=True) for line in path_lines]
        check(index < size and root_by_path(leaf_hash(octets), index, size, hashes) == root,
              f"the proof of entry {proven['sequence']} does not lead to the checkpoint's root")
        entry = Entry(octets)
        check(entry.sequence == proven["sequence"], "an entry has another sequence")
        if entry.kind == 1:
            issuer = entry.issuer
        check(entry.issuer is not None and entry.issuer == issuer, "an entry is about another issuer")
        if entry.serial is not None:
            check(int(entry.serial, 16) == int(document["serial"], 16), "an entry is about another certificate")
            check(entry.previous == before, "an entry was left out: the next does not name the one before it")
            before = entry.sequence
        lines.append(str(entry))
    check(before, "no entry is about the certificate")
    print(f"proved to be in {key.name}, of {size} entries:")
    print("\n".join("  " + line for line in lines))


def main():
    what, path, vkey = sys.argv[1:]
    if os.path.isfile(vkey):
        with open(vkey, encoding="utf-8") as file:
            vkey = file.read()
    try:
        key = Key(vkey)
        if what == "export":
            verify_export(path, key)
        elif what == "proof":
            verify_proof(path, key)
        elif what == "checkpoint":
            with open(path, encoding="utf-8") as file:
                epoch, size, root = checkpoint(file.read(), key)
            print(f"{key.name} signed for {size} entries (epoch from entry {epoch}), root {base64.b64encode(root).decode()}")
        else:
            sys.exit(__doc__)
    except (Wrong, ValueError, KeyError) as error:
        sys.exit(f"{path}: {error}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main()
