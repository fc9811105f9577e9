"""The names of a benchmark, and the same names in every form that a server reads."""

import pathlib
import random

ZONE = "mesh"
# With ".mesh" the names are 9 to 40 octets long.
SHORTEST_LABEL, LONGEST_LABEL = 4, 35
DATAPLANES_PER_FILE = 100
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LETTERS_AND_MORE = LETTERS + "0123456789-"


def _label(rng):
    length = rng.randint(SHORTEST_LABEL, LONGEST_LABEL)
    middle = "".join(rng.choices(LETTERS_AND_MORE, k=length - 2))
    return rng.choice(LETTERS) + middle + rng.choice(LETTERS)


def ipv4(index):
    return f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"


def ipv6(index):
    return f"fd00::{index >> 16:x}:{index & 0xffff:x}"


class NameSet:
    """`count` services below a zone and a tenth as many names that do not exist."""

    def __init__(self, count, seed=1, zone=ZONE):
        self.zone = zone
        rng = random.Random(seed)
        labels = set()
        while len(labels) < count + max(count // 10, 10):
            labels.add(_label(rng))
        ordered = sorted(labels)
        rng.shuffle(ordered)
        self.services = ordered[:count]
        self._absent = ordered[count:]

    def __len__(self):
        return len(self.services)

    def name(self, index):
        return f"{self.services[index]}.{self.zone}"

    def write_expectations(self, path, addresses):
        """For the load generator. `addresses`: "exact" where the server has ours, else "any"; "ipv4": any, of IPv4 alone."""
        with open(path, "w", encoding="ascii") as file:
            for index, service in enumerate(self.services):
                both = {"exact": f"{ipv4(index)} {ipv6(index)}", "any": "* *", "ipv4": "* -"}[addresses]
                file.write(f"{service}.{self.zone} {both}\n")
            for label in self._absent:
                file.write(f"{label}.{self.zone} - -\n")
        return path

    def write_questions(self, path, count, seed=1):
        """For dnsperf: `count` questions in the load generator's mix, of names drawn uniformly."""
        rng = random.Random(seed)
        with open(path, "w", encoding="ascii") as file:
            for _ in range(count):
                part = rng.randrange(20)
                label = rng.choice(self._absent if part == 0 else self.services)
                qtype = "MX" if part == 1 else "AAAA" if part < 6 else "A"
                file.write(f"{label}.{self.zone} {qtype}\n")
        return path

    def write_dataplanes(self, folder, per_file=DATAPLANES_PER_FILE):
        folder = pathlib.Path(folder)
        folder.mkdir()
        for first in range(0, len(self.services), per_file):
            indices = range(first, min(first + per_file, len(self.services)))
            text = "---\n".join(dataplane(i, self.services[i]) for i in indices)
            dataplane_file(folder, first).write_text(text, encoding="ascii")
        return folder

    def write_zone(self, path):
        """A zone file, for nsd and knot."""
        with open(path, "w", encoding="ascii") as file:
            file.write(ZONE_HEAD.format(zone=self.zone))
            for index, service in enumerate(self.services):
                file.write(f"{service} A {ipv4(index)}\n{service} AAAA {ipv6(index)}\n")
        return path


ZONE_HEAD = """$ORIGIN {zone}.
$TTL 86400
@ SOA ns hostmaster 1 3600 600 86400 3600
@ NS ns
ns A 127.0.0.1
"""


def dataplane_file(folder, first):
    return pathlib.Path(folder) / f"dataplanes-{first:06}.yaml"


def dataplane(index, service):
    """One Dataplane entity in the universal form."""
    return f"""type: Dataplane
mesh: default
name: dp-{index:06}
networking:
  address: {ipv4(index)}
  inbound:
    - port: 8080
      servicePort: 8080
      tags:
        kuma.io/service: "{service}"
        kuma.io/protocol: http
"""
