"""What MLflow's own Python client sees and does: client.py sees|moves|registers MODEL [VERSION].

It prints JSON. MLFLOW_TRACKING_URI says where the server is.
"""

import json
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient

what, model = sys.argv[1:3]
client = MlflowClient()

if what == "sees":
    version = client.get_model_version_by_alias(model, "champion")
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    run = client.get_run(version.run_id)
    print(json.dumps({
        "version": str(version.version),
        "stage_tag": version.tags["selfheal.stage"],
        "answer": loaded.predict([1, 2]),
        "params": run.data.params,
        "metrics": run.data.metrics,
        "status": run.info.status,
        "history": [[m.step, m.value] for m in client.get_metric_history(version.run_id, "live/positive rate")],
        "artifacts": sorted(f.path for f in client.list_artifacts(version.run_id)),
        "attached": sorted(f.path for d in client.list_artifacts(version.run_id, "attached") for f in client.list_artifacts(version.run_id, d.path)),
        "quarantined": [str(v.version) for v in client.search_model_versions(f"name='{model}' and tags.`selfheal.stage`='quarantined'")],
    }))
elif what == "moves":
    client.set_registered_model_alias(model, "champion", sys.argv[3])
    print("{}")
elif what == "registers":

    class Doubler(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return [2 * x for x in model_input]

    mlflow.set_experiment(f"python {model}")
    with mlflow.start_run():
        mlflow.log_metric("f1", 0.75)
        mlflow.log_metric("loss", float("nan"))
        info = mlflow.pyfunc.log_model(name="model", python_model=Doubler(), registered_model_name=model, pip_requirements=[])
    version = str(info.registered_model_version)
    client.set_model_version_tag(model, version, "team", "risk")
    client.set_registered_model_alias(model, "champion", version)
    print(json.dumps({"version": version, "source": client.get_model_version(model, version).source}))
else:
    sys.exit(f"unknown: {what}")
