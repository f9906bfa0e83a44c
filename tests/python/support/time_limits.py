"""Time limits of tests, far longer than anything takes on a busy machine, because tests do not judge speed."""

#: The time after which a test that hangs is ended.
TIMEOUT_SECONDS = 240

#: The time that the processes of a job may take to notice that it is over.
END_SECONDS = 60
