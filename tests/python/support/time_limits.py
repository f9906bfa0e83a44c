"""How long tests wait for what must come: far more than it takes on a busy machine, for they do not judge speed."""

#: Ends a test that hangs.
TIMEOUT_SECONDS = 240

#: How long processes of a job may take to notice that it is over.
END_SECONDS = 60
