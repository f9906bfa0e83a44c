"""check_ranks.py COMMAND RANKS: checks what `joblib-mpi doctor` finds on ranks of this machine."""

import socket
import sys
import tempfile

from doctor_run import DoctorRun

program, ranks = sys.argv[1], int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    run = DoctorRun(program, "-n", str(ranks), "--spill-dir", folder, "--json", f"{folder}/report.json")
    assert run.status == 0
    assert run.json["works"]
    assert f"{ranks} rank" in run.output.splitlines()[0]
    assert "A run would work" in run.output
    assert run.json["started_by"].startswith(f"mpirun -n {ranks}")

    report = run.json["report"]
    assert report["size"] == ranks
    assert [rank["rank"] for rank in report["ranks"]] == list(range(ranks))
    assert len({rank["pid"] for rank in report["ranks"]}) == ranks
    for rank in report["ranks"]:
        assert rank["host"] == socket.gethostname()
        assert rank["spill_error"] == ""
        assert rank["mpi"]["library"].startswith("Open MPI v")
        assert rank["mpi"]["file"].split("/")[-1].startswith("libmpi.so")
        assert rank["mpi"]["thread_level"] in ("MPI_THREAD_SERIALIZED", "MPI_THREAD_MULTIPLE")
        assert rank["mpi"]["layer"] == "ob1"
        assert rank["machine"]["cpus"] != ""
        assert 0 < rank["machine"]["memory_free_bytes"] <= rank["machine"]["memory_bytes"]
        assert rank["machine"]["open_files"] > 0
    assert report["spill_folder"] == folder
    assert not report["spill_error"]

    if ranks == 1:
        assert report["links"] == []
        assert run.problem("one rank only")["severity"] == "note"
    else:
        (link,) = report["links"]
        assert link["rank"] == 1
        assert link["transport"] in ("vader", "sm")
        assert link["measured"]
        assert link["latency_microseconds"] > 0
        assert link["megabytes_per_second"] > 0

# With ULFM if the library has it.
if ranks == 2:
    run = DoctorRun(program, "-n", "2", "--survive", "--json", "-")
    assert run.status == 0
    for rank in run.json["report"]["ranks"]:
        assert rank["mpi"]["ulfm"] == rank["mpi"]["can_ulfm"] == rank["mpi"]["library"].startswith("Open MPI v5")
    assert any("ULFM" in problem["what"] for problem in run.json["problems"]) != rank["mpi"]["ulfm"]
