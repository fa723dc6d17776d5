"""Every figure of the mesh; alerts and dashboards may name only what stands here.

Times are seconds and sizes bytes, as Prometheus has it. A label takes few values: names of the
map, states, routes; never an id, a path or a sentence.
"""

from __future__ import annotations

from shared.telemetry.figures import Counter, Histogram, Level, State

QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)

# --- counted where it happens -------------------------------------------------------------------

TASKS_SUBMITTED = Counter("actverse_tasks_submitted_total", "Tasks accepted.", "pipeline")
TASKS_ENDED = Counter(
    "actverse_tasks_ended_total", "Tasks that ended, by their last state.", "pipeline", "outcome"
)
STEP_SECONDS = Histogram(
    "actverse_step_seconds",
    "From the start of a step's first work to the end of its last.",
    "step",
    "outcome",
    buckets=LONG,
)
STEP_WAIT_SECONDS = Histogram(
    "actverse_step_wait_seconds",
    "From a step being asked for to its first work being begun.",
    "step",
    buckets=LONG,
)
WORKS = Counter(
    "actverse_works_total",
    "Deliveries of a work to a worker, by what became of them.",
    "service",
    "work",
    "outcome",
)
WORK_SECONDS = Histogram(
    "actverse_work_seconds", "How long a work ran.", "service", "work", buckets=LONG
)
WORKS_RUNNING = Level("actverse_works_running", "Works that run now.", "service", "work")
RETRIES = Counter(
    "actverse_retries_total",
    "Works that will be tried again, by the code of the error.",
    "service",
    "work",
    "code",
)
EVENTS_HANDLED = Counter(
    "actverse_events_handled_total", "Domain events taken.", "service", "event", "outcome"
)
EVENTS_PUBLISHED = Counter(
    "actverse_events_published_total", "Domain events that the broker has confirmed.", "event"
)
PUBLISH_FAILURES = Counter(
    "actverse_publish_failures_total", "Tries to publish an event that failed.", "event"
)
FRAMES = Counter(
    "actverse_inference_frames_total",
    "Video frames analysed, by the global model or a user's own.",
    "model",
)
EPOCHS = Counter("actverse_epochs_total", "Training epochs finished.")
HTTP_SECONDS = Histogram(
    "actverse_http_seconds",
    "From a request's arrival to the head of its answer.",
    "method",
    "route",
    "status",
    buckets=QUICK,
)
SSE_STREAMS = Level("actverse_sse_streams", "Streams of server-sent events that are open.")
UPLOAD_BYTES = Counter("actverse_upload_bytes_total", "Bytes of the files that users sent.")
NEWS = Counter(
    "actverse_news_total",
    "Tries to send a notice or to call a webhook, by what came of it.",
    "kind",
    "outcome",
)
CLOCK_ROUNDS = Counter("actverse_clock_rounds_total", "Rounds of the clock, by outcome.", "outcome")

# --- read when somebody asks --------------------------------------------------------------------

TASKS = State("actverse_tasks", "Tasks in the database.", "state")
STEPS_OPEN = State("actverse_steps_open", "Steps asked for and not ended.", "step", "state")
STEPS_OVERDUE = State("actverse_steps_overdue", "Running steps past their deadline.", "step")
QUEUE_MESSAGES = State(
    "actverse_queue_messages", "Messages in a queue: pending or running.", "queue", "status"
)
QUEUE_OLDEST = State("actverse_queue_oldest_seconds", "Age of the oldest pending message.", "queue")
PARKED = State("actverse_parked_messages", "Parked messages that wait for a decision.", "queue")
OUTBOX_WAITING = State("actverse_outbox_waiting", "Events decided and not yet published.")
OUTBOX_OLDEST = State("actverse_outbox_oldest_seconds", "Age of the oldest of them.")
OUTBOX_FAILING = State("actverse_outbox_failing", "Those of them that failed at least once.")
DEPENDENCY_UP = State(
    "actverse_dependency_up", "1 when it answered just now, else 0.", "dependency"
)
DISK_FREE = State("actverse_disk_free_bytes", "Free space where the data folder is.")
DISK_SIZE = State("actverse_disk_size_bytes", "Size of the disk where the data folder is.")
