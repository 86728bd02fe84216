"""Other servers on the same bodies, clients and durability."""


def made_for(bench, mix, sizes):
    return {}
