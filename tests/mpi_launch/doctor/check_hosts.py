"""check_hosts.py COMMAND FOLDER -- OPTION...: the part of check_hosts.sh that checks the findings."""

import sys
from pathlib import Path

from doctor_run import DoctorRun

program, name = sys.argv[1:3]
folder = Path(name)
options = [*sys.argv[4:], "-n", "4", "--json", f"{folder}/report.json"]

run = DoctorRun(program, *options, "--spill-dir", f"{folder}/private", "--python", f"{folder}/python")
assert run.status == 1
assert "4 ranks on 2 hosts" in run.output
problem = run.problem("the spill folder", f"{folder}/private", "not the same on n2 (ranks 2-3)")
assert problem["severity"] == "fails"
assert "all hosts share" in problem["remedy"]
assert run.problem("cloudpickle differs: 2.0 on n2, 3.1 on n1")["severity"] == "fails"

report = run.json["report"]
assert [rank["host"] for rank in report["ranks"]] == ["n1", "n1", "n2", "n2"]
assert [rank["spill_error"] == "" for rank in report["ranks"]] == [True, True, False, False]
beside, across = report["links"]
assert (beside["rank"], across["rank"]) == (1, 2)
assert beside["transport"] in ("vader", "sm")
assert beside["through"] == []
assert across["transport"] == "tcp"
assert across["through"] == ["eth0"]
assert beside["measured"]
assert across["measured"]
assert not list((folder / "private").iterdir())

run = DoctorRun(program, *options, "--spill-dir", f"{folder}/shared")
assert run.status == 0
assert "the same on all hosts" in run.output
assert not list((folder / "shared").iterdir())
