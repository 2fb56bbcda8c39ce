"""Ask from Python which inhibitors ABL1 T315I escapes, whether ATP gains, and what still binds.

Run it with ``python abl1_t315i.py``; edit the lists to ask about another kinase, mutation or inhibitor.
A molecule may be a library name, a SMILES (``"CCO my-molecule"``) or an SDF file.
"""

from pathlib import Path

from dockkit import Study, run_study

STUDY = Study(
    name="abl1-t315i",
    title="ABL1 T315I, the gatekeeper of chronic myeloid leukaemia",
    kinase="ABL1",
    mutations=["T315I"],
    inhibitors=["imatinib", "nilotinib", "dasatinib", "bosutinib", "ponatinib", "axitinib"],
    seed=2026,
    atp={"concentration_mm": 2.0},
    md={"production_ps": 10.0, "replicas": 2},
)


def main(out: Path = Path("abl1-t315i")) -> None:
    """Run the study (minutes; seconds when its results are already in ``out``) and print what was found."""
    result = run_study(STUDY, out)
    for detail in sorted(result.rows, key=lambda detail: detail.row.rank):
        row = detail.row
        if row.status != "ok":
            print(f"{row.ligand:12s} failed: {row.message}")
            continue
        print(
            f"{row.rank}. {row.ligand:12s} {row.call:9s} "
            f"ddG inhibitor {row.ddg_inhibitor_kcal_mol:+.1f} +- {row.ddg_inhibitor_sem:.1f}, "
            f"ATP {row.ddg_atp_kcal_mol:+.1f} +- {row.ddg_atp_sem:.1f}, "
            f"effective {row.ddg_effective_kcal_mol:+.1f} kcal/mol, {row.fold_change:.3g}-fold; {row.reason}"
        )
    print(f"report: {out / 'report.html'}")


if __name__ == "__main__":
    main()
