"""A double of rank 0 and one worker without a job: objects scattered on one side are found on the other."""

import itertools

from support.core_double import Refused


class Nodes:
    """The cores of both ranks in one object, as far as shared objects are concerned."""

    def __init__(self):
        self.objects = {}
        self.transfers = 0
        self._ids = itertools.count(1)

    # Rank 0's side.

    def scatter(self, head, buffers):
        object_id = next(self._ids)
        self.objects[object_id] = bytes(head), [bytes(buffer) for buffer in buffers]
        return object_id

    def drop(self, object_id):
        if object_id not in self.objects:
            raise Refused(f"drop of unknown object {object_id}")
        del self.objects[object_id]

    def object_stats(self):
        return {"transfers": self.transfers}

    # The worker's.

    def object(self, object_id):
        head, buffers = self.objects[object_id]
        return head, list(buffers)

    def copy_on_write(self, object_id, part, offset, nbytes):
        return bytearray(self.objects[object_id][1][part][offset : offset + nbytes])
