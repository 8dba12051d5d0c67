"""Tables of rows from Hugging Face `datasets`: a name on the hub, or a local folder."""

import os

from tools.failure import Failure, known_list, system_errors


class HubTable:
    """Rows of one split of a Hugging Face data set; rows are counted from 1."""

    def __init__(self, dataset, name, split):
        self.dataset, self.path = dataset, f"{name}, split {split}"

    def where(self, number):
        return f"{self.path}, row {number}"

    def class_names(self, column):
        """The names behind a column of class numbers, or None."""
        feature = self.dataset.features.get(column)
        return getattr(feature, "names", None)

    def __iter__(self):
        yield from enumerate(self.dataset, 1)


def load_hub(name, folder, config):
    """The DatasetDict behind a hub name or a local folder."""
    import datasets

    datasets.disable_progress_bars()
    if not folder:
        try:
            return datasets.load_dataset(name, config or None)
        except Exception as error:  # the library raises its own, the network's and the file system's
            raise Failure(f"datasets.load_dataset failed: {type(error).__name__}: {error}", f"hub data set {name}",
                          "Check name, configuration and network, or give folder = with a local copy") from None
    with system_errors(folder):
        content = os.listdir(folder)
    try:
        if "dataset_dict.json" in content or "state.json" in content:
            loaded = datasets.load_from_disk(str(folder))
        else:
            loaded = datasets.load_dataset(str(folder))
    except Exception as error:
        raise Failure(f"not a folder of the datasets library: {type(error).__name__}: {error}", folder,
                      "Give a folder of save_to_disk, or of parquet, csv or json files") from None
    return loaded if isinstance(loaded, dict) else {"train": loaded}


def hub_table(loaded, name, split, given):
    """The table of `split`, whose name there is `given` or the same; None where it is absent and was not asked for."""
    wanted = given or split
    if wanted in loaded:
        return HubTable(loaded[wanted], name, wanted)
    if given or split == "train":
        raise Failure(f"no split '{wanted}'", name, f"There is: {known_list(sorted(loaded))}")
    return None
