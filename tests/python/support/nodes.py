"""A double of rank 0 and one worker without a job: objects scattered on one side are found on the other."""

import itertools
import os

from support.core_double import Refused


class Nodes:
    """The cores of both ranks in one object, as far as shared objects are concerned."""

    def __init__(self):
        self.objects = {}
        self.transfers = 0
        self.files_compared = []
        self.file_refusals = lambda for_writing, mark: []
        self.returns = 0
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

    rank, size = 0, 3

    def host(self, rank):
        return f"host{rank}"

    def worker_returns(self):
        return self.returns

    def compare_file(self, path, for_writing, mark):
        if os.path.realpath(path) != path:
            raise Refused(f"{path} has symbolic links")
        if mark and not os.path.exists(os.path.join(os.path.dirname(path), mark)):
            raise Refused(f"there is no mark {mark} beside {path}")
        self.files_compared.append((path, for_writing, bool(mark)))
        return self.file_refusals(for_writing, mark)

    # The worker's.

    def object(self, object_id):
        head, buffers = self.objects[object_id]
        return head, list(buffers)

    def copy_on_write(self, object_id, part, offset, nbytes):
        return bytearray(self.objects[object_id][1][part][offset : offset + nbytes])
